OPERATORS: frozenset[str] = frozenset()
