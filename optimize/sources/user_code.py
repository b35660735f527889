"""References to the user's own code, and the bytes that such code consists of."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from optimize.errors import UserError

_PARSING = threading.Lock()
"""Steps run in threads, and two that parse at once end in a SystemError up to Python 3.11.8 (CPython issue 106905)."""


def split_reference(reference: str) -> tuple[str, str]:
    """`path/to/file.py:Name` or `package.module:Name` as (place, attribute)."""
    place, separator, attribute = reference.rpartition(":")
    if not separator or not place or not attribute.replace(".", "").isidentifier():
        raise ValueError(f"{reference!r} is not of the form path/to/file.py:Name or package.module:Name")
    return place, attribute


def code_file(reference: str, base: Path) -> Path | None:
    """The file that a reference names; None for a module that is found by import."""
    place, _ = split_reference(reference)
    return (base / place).resolve() if place.endswith(".py") else None


def load_reference(reference: str, base: Path, key: str) -> Any:
    """Import what `reference` names. A file's own folder comes first on the path, as if Python had been given it."""
    place, attribute = split_reference(reference)
    module = load_file(base / place, key) if place.endswith(".py") else _load_module(place, base, key)
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise UserError(f"{place} has no {attribute!r}; it defines {_public_names(module)}", key)
        value = getattr(value, part)
    return value


def load_file(path: Path, key: str) -> ModuleType:
    """Raises UserError with what its import raised."""
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file", key)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{path} does not import: {type(error).__name__}: {error}", key) from error
    return module


def _load_module(name: str, base: Path, key: str) -> ModuleType:
    sys.path.insert(0, str(base))
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UserError(f"module {name} does not import: {type(error).__name__}: {error}", key) from error


def _public_names(module: ModuleType) -> str:
    names = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
    return ", ".join(names) or "nothing callable of its own"


def code_closure(path: Path) -> list[Path]:
    """`path` and every local file that it imports, directly or not, sorted.

    Read from the source text, so that nothing is executed. Local means: found beside the importing file. What is
    imported by a computed name is not seen.
    """
    found: set[Path] = set()
    todo = [path.resolve()]
    while todo:
        file = todo.pop()
        if file in found or not file.is_file():
            continue
        found.add(file)
        todo.extend(_local_imports(file))
    return sorted(found)


def _local_imports(file: Path) -> list[Path]:
    try:
        with _PARSING:
            tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return []  # Importing it will say so, with the line.
    paths: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            paths += [p for alias in node.names for p in _candidates(file.parent, alias.name)]
        elif isinstance(node, ast.ImportFrom):
            folder = file.parent
            for _ in range(max(node.level - 1, 0)):
                folder = folder.parent
            stem = node.module or ""
            names = [stem, *(f"{stem}.{alias.name}".strip(".") for alias in node.names)]
            paths += [p for name in names if name for p in _candidates(folder, name)]
    return paths


def _candidates(folder: Path, dotted: str) -> list[Path]:
    parts = dotted.split(".")
    packages = [folder.joinpath(*parts[: i + 1], "__init__.py") for i in range(len(parts))]
    return [p for p in [*packages, folder.joinpath(*parts).with_suffix(".py")] if p.is_file()]
