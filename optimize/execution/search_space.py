"""What a search can try here: the methods of each format, the data there is, and what its runtime can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optimize import stages
from optimize.errors import ToolError
from optimize.execution.runner import Runner
from optimize.methods import find_method, methods
from optimize.plan import Candidate, Step
from optimize.search import RANKERS
from optimize.search.space import Space, Way


def make_space(runner: Runner, candidates: Sequence[Candidate]) -> Space:
    wanted = runner.file.pipeline
    ways = tuple(_way(candidate.format, route.step) for candidate in candidates for route in candidate.routes)
    tuned = candidates if wanted.candidates.tune else ()
    notes = [
        f"{candidate.format}: its runtime has no settings to tune" for candidate in tuned if not _tunable(candidate)
    ]
    if not wanted.data.calibration:
        notes += [
            f"{name} was not tried: the file names no calibration data"
            for candidate in candidates
            for name in _calibrated(candidate.format)
        ]
    tuning = {candidate.format: _tuning(runner, candidate) for candidate in tuned if _tunable(candidate)}
    return Space(ways, tuning, tuple(notes))


def _calibrated(format: str) -> Iterator[str]:
    for name, formats in methods().items():
        if format in formats and formats[format].calibrated:
            yield f"{format}-{name}"


def _way(format: str, step: Step) -> Way:
    name = step.makes[1]
    method = find_method(name, format)
    if method is None:
        raise ToolError(f"{format}-{name} has a step and no method")
    whole = ""
    if "exclude" not in method.options.model_fields:
        whole = "its quantizer has no option to leave layers in float"
    elif format not in RANKERS:
        whole = f"no layers were left in float: those of {format} cannot be ranked"
    return Way(format, name, method.calibrated, method.remedies, whole)


def _tunable(candidate: Candidate) -> bool:
    return hasattr(stages.runtimes()[candidate.format], "tuning")


def _tuning(runner: Runner, candidate: Candidate) -> tuple[Mapping[str, Any], ...]:
    """Without what it is told anyway."""
    tuning: Sequence[Mapping[str, Any]] = stages.runtimes()[candidate.format].tuning  # type: ignore[attr-defined]
    now = {"threads": runner.threads, **candidate.settings}
    return tuple(one for one in tuning if any(now.get(key) != value for key, value in one.items()))
