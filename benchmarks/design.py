"""What an experiment is made of: the design that is fixed before anything is measured, and the raw samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Design:
    """What is fixed before anything is measured."""

    names: tuple[str, ...]
    reference: str
    processes: int
    """Generations at least."""
    budget_s: float
    """For the rounds of all generations."""
    half_width: float
    seed: int
    cold: bool = False
    """Whether cold starts are also taken with the artifact's files out of the page cache."""
    least_calls: int = 0
    """Calls that each candidate is given at least, as a gate on a percentile needs them."""
    total_s: float = 0.0
    """Generations are added for as long as the whole is expected to end by then and an interval is wide."""

    @property
    def control(self) -> str:
        """The candidate that is compared with itself."""
        return next((name for name in self.names if name != self.reference), self.reference)


@dataclass
class Samples:
    """Raw samples of one candidate."""

    starts: list[Mapping[str, Any]] = field(default_factory=list)
    """Per generation: phases in nanoseconds, threads as read back, peak bytes."""
    slices: list[list[Mapping[str, Any]]] = field(default_factory=list)
    """Per generation, per round: `ns` of each call, `cpu_ns` of the slice, `at_ns` of its start."""
    warmups: list[Mapping[str, Any]] = field(default_factory=list)
    ends: list[Mapping[str, Any]] = field(default_factory=list)
    cold_starts: list[Mapping[str, Any]] = field(default_factory=list)
    """Starts with the artifact's files out of the page cache, verified."""
    failure: str = ""
