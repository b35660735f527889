"""Versions of what does the work, read from package metadata: nothing is imported for it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import optimize


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


def tool_version() -> str:
    return optimize.__version__
