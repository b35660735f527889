"""Versions of what does the work, read from package metadata: nothing is imported for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import optimize
from optimize.digests import digest_value


@cache
def library_version(distribution: str) -> str | None:
    """None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def library_versions(distributions: Iterable[str]) -> dict[str, str]:
    """Those that are installed."""
    found = {name: library_version(name) for name in distributions}
    return {name: number for name, number in sorted(found.items()) if number is not None}


@cache
def code_digest(module: str) -> str:
    """Of a stage's own source: its file, or every file of its package.

    A folder without `__init__.py` is no part of the package: the studies beside the benchmarks run the tool.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    origin = Path(spec.origin)
    files = [origin]
    if origin.name == "__init__.py":
        files = sorted(file for file in origin.parent.rglob("*.py") if (file.parent / "__init__.py").exists())
    return digest_value([file.read_text(encoding="utf-8") for file in files])


def tool_version() -> str:
    return optimize.__version__
