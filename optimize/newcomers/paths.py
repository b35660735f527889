"""What each path from a kind of source would be, and what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimize import stages
from optimize.plan import Edge, Node, find_edges, shortest_path
from optimize.versions import library_version

ALTERNATIVES = {
    "tensorflow": "tensorflow-cpu", "tensorflow-cpu": "tensorflow", "xgboost": "xgboost-cpu", "xgboost-cpu": "xgboost",
}  # fmt: skip
"""Distributions of which either one will do."""
QUANTIZATIONS = ("none", "dynamic", "static")


@dataclass(frozen=True)
class Way:
    """To one candidate; `stages` is empty where there is no way."""

    candidate: str
    format: str
    quantization: str
    stages: tuple[str, ...]
    missing: tuple[str, ...]
    """Distributions that are not installed."""
    served: bool = True
    """Whether some container serves the format."""

    @property
    def words(self) -> str:
        if not self.stages:
            return "no converter leads there"
        way = " → ".join(self.stages)
        return f"{way}; not installed: {', '.join(self.missing)}" if self.missing else way


def paths_from(kind: str) -> tuple[Way, ...]:
    """To every format that can be run, at every quantization."""
    edges, origins = find_edges(kind)
    return tuple(
        _path(edges, origins, name, quantization) for name in stages.runtimes() for quantization in QUANTIZATIONS
    )


def _path(edges: list[Edge], origins: Sequence[Node], name: str, quantization: str) -> Way:
    way = shortest_path(edges, origins, (name, quantization)) or []
    libraries = dict.fromkeys(library for edge in way for library in edge.libraries)
    missing = tuple(library for library in libraries if not _is_there(library))
    served = any(name in bundle.formats for bundle in stages.stages("bundles").values())
    return Way(f"{name}-{quantization}", name, quantization, tuple(edge.name for edge in way), missing, served)


def _is_there(library: str) -> bool:
    other = ALTERNATIVES.get(library, library)
    return library_version(library) is not None or library_version(other) is not None
