"""The tool's own code, and a third party's stage's, as digests of text: what a result depends on besides libraries.

Imports are read off the statements, inside functions too, since that is where stages have theirs. Nothing is imported
for it: some modules load TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import optimize
from optimize.digests import digest_value

_STATEMENT = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+(\w[^\n]*))", re.MULTILINE
)
_COMMENT_OR_ALIAS = re.compile(r"#[^\n]*|\bas[ \t]+\w+")


@cache
def code_digest(module: str) -> str:
    """Of the module's file, or every file of its package, and of nothing that these import.

    A folder without `__init__.py` is no part of the package: the studies beside the benchmarks run the tool.
    """
    origin = _file(module)
    files = [origin] if origin else []
    if origin and origin.name == "__init__.py":
        files = sorted(file for file in origin.parent.rglob("*.py") if (file.parent / "__init__.py").exists())
    return digest_value([file.read_text(encoding="utf-8") for file in files])


@cache
def stage_digest(module: str) -> str:
    """Of `stage_modules`."""
    return digest_value(stage_modules(module))


def stage_modules(module: str) -> dict[str, str]:
    """Name to text: the module and all that it imports, directly or not, of the tool and of its own package."""
    packages = {optimize.__name__, module.partition(".")[0]}
    found: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in found and name.partition(".")[0] in packages:
            found[name], imported = _read(name)
            todo += imported
    return found


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Its text, and the modules that it imports."""
    file = _file(module)
    if file is None:
        return "", ()
    text = file.read_text(encoding="utf-8")
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return text, tuple(_imported(text, package))


def _imported(text: str, package: str) -> Iterator[str]:
    for origin, names, modules in _STATEMENT.findall(text):
        if modules:
            yield from re.findall(r"[.\w]+", _COMMENT_OR_ALIAS.sub("", modules))
            continue
        origin = _absolute(origin, package)
        for name in re.findall(r"\w+", _COMMENT_OR_ALIAS.sub("", names)):
            yield f"{origin}.{name}" if _file(f"{origin}.{name}") else origin


def _absolute(origin: str, package: str) -> str:
    """One dot is the package itself, each further one a package above it."""
    name = origin.lstrip(".")
    dots = len(origin) - len(name)
    around = package.split(".")[: len(package.split(".")) + 1 - dots] if dots else []
    return ".".join([*around, name] if name else around)


@cache
def _file(module: str) -> Path | None:
    """Found by folders: `find_spec` of a module imports all packages that it lies in but the first."""
    first, *rest = module.split(".")
    spec = find_spec(first) if first else None
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    path = Path(spec.origin).parent.joinpath(*rest)
    return next((file for file in (path / "__init__.py", path.with_name(f"{path.name}.py")) if file.is_file()), None)
