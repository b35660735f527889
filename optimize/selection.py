"""Which candidate wins: the best at the objective among those that meet every gate. Pure arithmetic on figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimize.benchmarks.regression import INCONCLUSIVE, REGRESSED
from optimize.pipeline.schema import Gates, Objective
from optimize.store import State

ABSOLUTE = ("p50_ms", "p99_ms", "cold_start_s", "memory_mb", "throughput_per_s")
"""Gates whose figures depend on the machine they were measured on."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8", "int4")
"""Highest first."""


@dataclass(frozen=True)
class GateResult:
    """One gate of one candidate. `value` is None where there is no figure, and then the gate does not hold."""

    name: str
    bound: float
    value: float | None
    held: bool
    detail: str


@dataclass(frozen=True)
class Judged:
    """What is known of a candidate when the choice is made."""

    name: str
    state: State
    reason: str
    precision: str
    size_bytes: int | None = None
    accuracy: Mapping[str, Any] | None = None
    cold_start: Mapping[str, Any] | None = None
    latency: Mapping[str, Any] | None = None
    memory: Mapping[str, Any] | None = None
    throughput: Mapping[str, Any] | None = None
    regression: Mapping[str, Any] | None = None
    """Against the baseline: `ratio` with `ci`, `margin`, `verdict`."""
    cost: Mapping[str, Any] | None = None
    gates: tuple[GateResult, ...] = field(default=())

    @property
    def eligible(self) -> bool:
        return self.state is State.OK and all(gate.held for gate in self.gates)


@dataclass(frozen=True)
class Choice:
    """The winner's name, or None; and why each candidate won or lost, in words.

    `undecided` says why there is no verdict, where one was asked for and the figures do not allow it.
    """

    winner: str | None
    reasons: Mapping[str, str]
    undecided: str = ""


def check_gates(candidate: Judged, gates: Gates) -> tuple[GateResult, ...]:
    """Every gate of the file, in its order."""
    bounds = gates.model_dump(exclude_none=True)
    return tuple(
        _regression(candidate, bound) if name == "regression" else _gate(name, bound, figure(candidate, name))
        for name, bound in bounds.items()
    )


def _regression(candidate: Judged, margin: float) -> GateResult:
    """It does not hold only where the interval as a whole is over the margin; what lies across it is for
    `undecided_regression`."""
    found = candidate.regression
    if found is None:
        return GateResult("regression", margin, None, False, "regression: was not measured beside the baseline")
    held = found["verdict"] != REGRESSED
    words = f"regression: {in_words(found)}: {found['verdict']} at a margin of {margin:.1%}"
    return GateResult("regression", margin, found["ratio"] - 1, held, words)


def in_words(found: Mapping[str, Any]) -> str:
    low, high = found["ci"]
    return f"takes {found['ratio']:.3f}× [{low:.3f}, {high:.3f}] the time of the baseline"


def undecided_regression(choice: Choice, candidates: Sequence[Judged]) -> Choice:
    """The choice, or none where the winner may or may not have regressed and the file has a gate on that."""
    winner = next((c for c in candidates if c.name == choice.winner), None)
    gated = winner is not None and any(gate.name == "regression" for gate in winner.gates)
    if winner is None or not gated or winner.regression is None or winner.regression["verdict"] != INCONCLUSIVE:
        return choice
    found = winner.regression
    undecided = (
        f"{winner.name} {in_words(found)}, which is neither within nor over the margin of {found['margin']:.1%}, or "
        "the machine differed from itself by more than half of it; raise benchmark.processes, or take a quieter machine"
    )
    return Choice(None, choice.reasons, undecided)


def _gate(name: str, bound: float, value: float | None) -> GateResult:
    if value is None:
        return GateResult(name, bound, None, False, f"{name}: no figure to hold against {bound:g}")
    if name in AT_LEAST:
        held = value >= bound
        words = "reaches" if held else "is under"
        return GateResult(name, bound, value, held, f"{name}: {value:.4g} {words} {bound:g}")
    held = value <= bound
    return GateResult(name, bound, value, held, f"{name}: {value:.4g} is {'within' if held else 'over'} {bound:g}")


def figure(candidate: Judged, name: str) -> float | None:
    """The candidate's figure for a gate, in the gate's unit."""
    match name:
        case "accuracy_drop":
            return -candidate.accuracy["difference"] if candidate.accuracy else None
        case "p50_ms" | "p99_ms":
            return candidate.latency[name] if candidate.latency else None
        case "cold_start_s":
            return candidate.cold_start["total_s"] if candidate.cold_start else None
        case "size_mb":
            return candidate.size_bytes / 1e6 if candidate.size_bytes is not None else None
        case "memory_mb":
            return candidate.memory["peak_bytes"] / 1e6 if candidate.memory else None
        case "throughput_per_s":
            return candidate.throughput.get("rate_per_s") if candidate.throughput else None
        case "usd_per_million":
            return candidate.cost["usd_per_million"] if candidate.cost else None
    raise ValueError(f"no gate is named {name}")


OBJECTIVES: Mapping[str, tuple[str, str]] = {
    "latency": ("p50_ms", "ms"),
    "cold_start": ("cold_start_s", "s"),
    "size": ("size_mb", "MB"),
    "memory": ("memory_mb", "MB"),
    "throughput": ("throughput_per_s", "requests/s"),
    "cost": ("usd_per_million", "$ per million"),
}
"""Objective to the figure that is to be small (or large, where it is in `AT_LEAST`), and its unit."""
AT_LEAST = ("throughput_per_s",)
TIE = 1.05
"""A wide interval alone is no tie: on a busy machine that of 1.23 held 1, and the slower of the two won by its size."""


def choose(candidates: Sequence[Judged], objective: Objective) -> Choice:
    """Ties go to the higher precision, then to the smaller artifact: two are tied at latency where the interval of
    their paired ratio holds 1, and the ratio itself is within 5 % of it."""
    name, unit = OBJECTIVES[objective]
    sign = -1 if name in AT_LEAST else 1
    eligible = ((c, figure(c, name)) for c in candidates if c.eligible)
    ranked = [c for c, value in sorted(_with_value(eligible), key=lambda pair: (sign * pair[1], pair[0].name))]
    if not ranked:
        return Choice(None, {c.name: _why_not(c) for c in candidates})
    tied = [c for c in ranked if c is ranked[0] or (objective == "latency" and _tied(c, ranked[0]))]
    winner = min(tied, key=lambda c: (PRECISIONS.index(c.precision), c.size_bytes or 0, c.name))
    reasons = {c.name: _against(c, winner, name, unit) if c in ranked else _why_not(c) for c in candidates}
    reasons[winner.name] = _why(winner, tied, name, unit)
    return Choice(winner.name, reasons)


def _with_value(pairs: Iterable[tuple[Judged, float | None]]) -> list[tuple[Judged, float]]:
    return [(candidate, value) for candidate, value in pairs if value is not None]


def demand_verdict(
    choice: Choice, candidates: Sequence[Judged], half_width: float, noise: Mapping[str, Any] | None = None
) -> Choice:
    """The choice, or none where the interval of the winner's latency is wider than was asked for, or the machine was
    not quiet."""
    if choice.winner and noise and noise["verdict"] != "quiet":
        because = "; ".join(noise["because"])
        undecided = f"the machine was {noise['verdict']} ({because}); measure again when nothing else runs on it"
        return Choice(None, choice.reasons, undecided)
    winner = next((c for c in candidates if c.name == choice.winner), None)
    ratio = winner.latency.get("ratio") if winner and winner.latency else None
    if winner is None or ratio is None or ratio["verdict"] == "conclusive":
        return choice
    width = f"±{ratio['half_width']:.1%} where ±{half_width:.1%} was asked for"
    undecided = f"the interval of {winner.name} is {width}; raise benchmark.processes, or take a quieter machine"
    return Choice(None, choice.reasons, undecided)


def _tied(one: Judged, best: Judged) -> bool:
    ratio = ratio_between(one, best)
    return ratio is not None and _is_tie(ratio)


def _is_tie(ratio: Mapping[str, Any]) -> bool:
    low, high = ratio["ci"]
    return bool(low <= 1 <= high and 1 / TIE <= ratio["value"] <= TIE)


def ratio_between(one: Judged, other: Judged) -> Mapping[str, Any] | None:
    """Paired ratio of latency, one over the other, where it was measured."""
    ratios: Mapping[str, Any] = one.latency.get("ratios", {}) if one.latency else {}
    return ratios.get(other.name)


def _why_not(candidate: Judged) -> str:
    if candidate.state is not State.OK:
        return f"{candidate.state}: {candidate.reason}"
    missed = [gate.detail for gate in candidate.gates if not gate.held]
    return f"gate not met: {'; '.join(missed)}" if missed else "was not measured"


def _why(winner: Judged, tied: Sequence[Judged], name: str, unit: str) -> str:
    words = f"best {name} of those that meet every gate: {figure(winner, name):.4g} {unit}"
    others = ", ".join(c.name for c in tied if c is not winner)
    return f"{words}; tied with {others}, and the more precise or smaller" if others else words


def _against(candidate: Judged, winner: Judged, name: str, unit: str) -> str:
    ratio = ratio_between(candidate, winner) if name == "p50_ms" else None
    if ratio:
        times = f"{ratio['value']:.2f}× [{ratio['ci'][0]:.2f}, {ratio['ci'][1]:.2f}]"
        if _is_tie(ratio):
            return f"tied with {winner.name} at latency ({times}), which is more precise or smaller"
        return f"takes {times} the time of {winner.name}"
    return f"{figure(candidate, name):.4g} {unit} against {figure(winner, name):.4g} {unit} of {winner.name}"
