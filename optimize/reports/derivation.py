"""How each candidate came to be: steps as a tree, from the source to what could be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimize.reports.model import CandidateReport, Report, StepReport

GOLDEN = "golden"


@dataclass(frozen=True)
class Branch:
    """A step, what was made of its result, and the candidate that ends here, if one does."""

    step: StepReport
    candidate: CandidateReport | None
    branches: tuple[Branch, ...]

    @property
    def wins(self) -> bool:
        return self.step.name in self.winning

    winning: frozenset[str] = frozenset()
    """Steps on the winner's way, the same in every branch."""


def derivation(report: Report) -> Branch | None:
    """None where the report holds no golden (a report of a bundle alone, say)."""
    steps = {step.name: step for step in report.steps}
    if GOLDEN not in steps:
        return None
    ends = {candidate.steps[-1]: candidate for candidate in report.candidates if candidate.steps}
    winner = next((c for c in report.candidates if c.name == report.winner), None)
    return _grow(GOLDEN, _children(steps), steps, ends, frozenset(winner.steps if winner else ()))


def _children(steps: Mapping[str, StepReport]) -> dict[str, list[str]]:
    """Each step below the one whose artifact it reads; those that read several (measure) belong to no branch."""
    below: dict[str, list[str]] = {}
    for name, step in steps.items():
        artifacts = [need for need in step.needs if need != GOLDEN]
        if name != GOLDEN and step.stage in ("convert", "quantize", "check") and len(artifacts) < 2:
            below.setdefault(artifacts[0] if artifacts else GOLDEN, []).append(name)
    return below


def _grow(
    name: str,
    below: Mapping[str, list[str]],
    steps: Mapping[str, StepReport],
    ends: Mapping[str, CandidateReport],
    winning: frozenset[str],
) -> Branch:
    branches = tuple(_grow(child, below, steps, ends, winning) for child in below.get(name, ()))
    return Branch(steps[name], ends.get(name), branches, winning)
