"""Which trial a search comes to, and which trials no other beats at both latency and drift."""

from __future__ import annotations

from collections.abc import Sequence

from optimize.search.space import Trial


def best(trials: Sequence[Trial]) -> Trial | None:
    """Of those that clear the bar, the best at the objective; where none does, the nearest to the golden; else the
    last, whose end says why there is nothing."""
    cleared = [trial for trial in trials if trial.cleared and trial.figure is not None]
    if cleared:
        return min(cleared, key=lambda trial: trial.figure or 0.0)
    ran = [trial for trial in trials if trial.distance is not None]
    if ran:
        return min(ran, key=lambda trial: trial.distance or 0.0)
    return trials[-1] if trials else None


def frontier(trials: Sequence[Trial]) -> list[bool]:
    """By trial: timed, and no other of its format at least as fast and as near, and better at one of the two."""
    return [trial.ratio is not None and not any(_beats(other, trial) for other in trials) for trial in trials]


def _beats(one: Trial, other: Trial) -> bool:
    if one.proposal.format != other.proposal.format or one.ratio is None or other.ratio is None:
        return False
    a = (one.ratio.value, one.distance or 0.0)
    b = (other.ratio.value, other.distance or 0.0)
    return a != b and a[0] <= b[0] and a[1] <= b[1]
