"""Which operators have a rule: as a table that is read without TensorFlow, and as a page."""

from __future__ import annotations

from optimize.converters.aten_graph_to_saved_model.rules import FAMILIES, RULES

COMMAND = "python -m optimize.converters.aten_graph_to_saved_model"


def table() -> str:
    """The source of `operators.py`."""
    names = "".join(f'        "{name}",\n' for name in sorted(RULES))
    return (
        '"""The operators that have a rule, for processes without TensorFlow.\n\n'
        f'Written by `{COMMAND}`.\n"""\n\n'
        "from __future__ import annotations\n\n"
        f"OPERATORS = frozenset(\n    {{\n{names}    }}\n)\n"
    )


def document() -> str:
    """The page `docs/aten-operators.md`."""
    parts = [
        "# ATen operators with a TensorFlow rule\n",
        f"Written by `{COMMAND}`; a test keeps it true.\n",
        f"{len(RULES)} operators, `sym.` being arithmetic on sizes, `higher_order.` control flow. torch.export leaves",
        "views and aliases (`reshape`, `flatten`, `contiguous` and so on) expressed by these. An operator that is not",
        "here is first taken apart by torch's own decompositions; what is then left without a rule is named, with the",
        "module that uses it.\n",
    ]
    for family in FAMILIES:
        name = family.__name__.rsplit(".", 1)[-1]
        rules = sorted(operator for operator, rule in RULES.items() if _home(rule.function.__module__) == name)
        parts += [f"## {name.replace('_', ' ').capitalize()}\n", ", ".join(f"`{rule}`" for rule in rules) + "\n"]
    return "\n".join(parts)


def _home(module: str) -> str:
    return module.rsplit(".", 1)[-1]
