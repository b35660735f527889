"""Several reports side by side: what differs between the runs, and what that did to the candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimize.errors import UserError
from optimize.reports.figures import Interval
from optimize.reports.model import CandidateReport, Report
from optimize.reports.table import NONE, digits

LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Run:
    """`label` is the letter by which the comparison names it."""

    label: str
    given: str
    report: Report


@dataclass(frozen=True)
class Difference:
    """Something that is not the same in all runs: `values` in their order."""

    area: str
    what: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """A figure of a candidate. `timed` are those that depend on the machine."""

    title: str
    value: Callable[[CandidateReport], float | None]
    interval: Callable[[CandidateReport], Interval | None]
    form: Callable[[float], str]
    timed: bool = False
    difference: bool = False
    """The change is told as a difference in points, not as a share."""


@dataclass(frozen=True)
class Effect:
    """One figure of one candidate in every run, and each run's change against the first. `certain`: the intervals do
    not meet, or the figure has no spread."""

    candidate: str
    figure: str
    values: tuple[str, ...]
    changes: tuple[str, ...]
    certain: bool
    differs: bool


@dataclass(frozen=True)
class Comparison:
    runs: tuple[Run, ...]
    differences: tuple[Difference, ...]
    effects: tuple[Effect, ...]
    across_machines: bool
    times: bool
    """Whether times and memory are compared."""

    @property
    def winners(self) -> tuple[str, ...]:
        return tuple(run.report.winner or "no winner" for run in self.runs)


def _p50_interval(c: CandidateReport) -> Interval | None:
    return c.latency.p50_ms_ci if c.latency else None


def _difference_interval(c: CandidateReport) -> Interval | None:
    if c.accuracy is None:
        return None
    low, high = c.accuracy.difference_ci
    most = 1.0 if c.accuracy.score <= 1 else float("inf")
    return c.accuracy.source_score + low, min(c.accuracy.source_score + high, most)


FIGURES = (
    Figure("p50 ms", lambda c: c.latency.p50_ms if c.latency else None, _p50_interval, digits, timed=True),
    Figure(
        "speed-up", lambda c: 1 / c.latency.ratio.value if c.latency and c.latency.ratio else None,
        lambda c: (1 / c.latency.ratio.ci[1], 1 / c.latency.ratio.ci[0]) if c.latency and c.latency.ratio else None,
        digits, timed=True,
    ),
    Figure(
        "cold start s", lambda c: c.cold_start.total_s if c.cold_start else None,
        lambda c: c.cold_start.total_s_ci if c.cold_start else None, digits, timed=True,
    ),
    Figure(
        "throughput 1/s", lambda c: c.throughput.rate_per_s if c.throughput else None, lambda c: None, digits,
        timed=True,
    ),
    Figure("memory MB", lambda c: c.memory.peak_bytes / 1e6 if c.memory else None, lambda c: None, digits, timed=True),
    Figure("size MB", lambda c: c.size_bytes / 1e6 if c.size_bytes is not None else None, lambda c: None, digits),
    Figure(
        "accuracy", lambda c: c.accuracy.score if c.accuracy else None, _difference_interval, lambda v: f"{v:.2%}",
        difference=True,
    ),
    Figure(
        "drift", lambda c: max((d.max_relative for d in c.drift.values()), default=None), lambda c: None,
        lambda v: f"{v:.1e}",
    ),
)  # fmt: skip


def compare(given: Sequence[tuple[str, Report]], force: bool = False) -> Comparison:
    """The first is what the others are held against. Raises UserError for runs of different models."""
    runs = tuple(Run(LABELS[i], name, report) for i, (name, report) in enumerate(given))
    _check_model(runs, force)
    across = any(run.report.machine != runs[0].report.machine for run in runs)
    times = force or not across
    return Comparison(runs, tuple(_differences(runs)), tuple(_effects(runs, times)), across, times)


def _check_model(runs: Sequence[Run], force: bool) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.report.source.signature != first.report.source.signature and not force:
            raise UserError(
                f"{first.given} and {run.given} are runs of different models ({first.report.name} and "
                f"{run.report.name}): their signatures differ; give runs of one model, or add --force"
            )


def _differences(runs: Sequence[Run]) -> Iterable[Difference]:
    yield from _differing("model", [_model(run.report) for run in runs])
    yield from _differing("pipeline", [flat(run.report.pipeline) for run in runs])
    yield from _differing("versions", [_versions(run.report) for run in runs])
    yield from _differing("machine", [flat(run.report.machine) for run in runs])
    yield from _differing("target", [flat(run.report.target.model_dump()) for run in runs])


def _differing(area: str, tables: Sequence[Mapping[str, str]]) -> Iterable[Difference]:
    for key in dict.fromkeys(key for table in tables for key in table):
        values = tuple(table.get(key, NONE) for table in tables)
        # What one of them does not tell (a bundle tells less than a report) is not a difference.
        if len({value for value in values if value != NONE}) > 1:
            yield Difference(area, key, values)


def _model(report: Report) -> dict[str, str]:
    return {"name": report.name, "source's answers (sha256)": report.source.digest[:16] or NONE}


def _versions(report: Report) -> dict[str, str]:
    found = {name: number for step in report.steps for name, number in step.versions.items()}
    return {**found, "optimize": report.tool_version}


def flat(value: Any, key: str = "") -> dict[str, str]:
    """Dotted keys, as `-o` takes them."""
    if isinstance(value, Mapping):
        return {
            k: v for name, inner in value.items() for k, v in flat(inner, f"{key}.{name}" if key else str(name)).items()
        }
    if isinstance(value, list | tuple):
        return {key: ", ".join(map(str, value))}
    return {key: NONE if value is None else str(value)}


def _effects(runs: Sequence[Run], times: bool) -> Iterable[Effect]:
    tables = [{c.name: c for c in run.report.candidates} for run in runs]
    for name in dict.fromkeys(name for table in tables for name in table):
        candidates = [table.get(name) for table in tables]
        yield _state(name, candidates)
        for figure in FIGURES:
            if (times or not figure.timed) and any(c and figure.value(c) is not None for c in candidates):
                yield _effect(name, figure, candidates)


def _state(name: str, candidates: Sequence[CandidateReport | None]) -> Effect:
    states = tuple(c.state if c else "not there" for c in candidates)
    # What one run was not asked for (or a bundle does not hold) has no state there.
    differs = len({state for state in states if state != "not there"}) > 1
    return Effect(name, "state", states, ("",) * len(states), True, differs)


def _effect(name: str, figure: Figure, candidates: Sequence[CandidateReport | None]) -> Effect:
    values = [figure.value(c) if c else None for c in candidates]
    intervals = [figure.interval(c) if c else None for c in candidates]
    first, own = values[0], intervals[0]
    changes = [_change(figure, first, own, v, i) for v, i in zip(values[1:], intervals[1:], strict=True)]
    told = [_told(figure, v, i) for v, i in zip(values, intervals, strict=True)]
    apart = [not _meet(own, i) for v, i in zip(values[1:], intervals[1:], strict=True) if v is not None and v != first]
    differs = bool(apart) and first is not None
    return Effect(name, figure.title, tuple(told), ("", *changes), differs and any(apart), differs)


def _told(figure: Figure, value: float | None, interval: Interval | None) -> str:
    if value is None:
        return NONE
    return figure.form(value) + (f" [{figure.form(interval[0])}, {figure.form(interval[1])}]" if interval else "")


def _change(figure: Figure, a: float | None, a_ci: Interval | None, b: float | None, b_ci: Interval | None) -> str:
    """Against the first. The interval is the widest that the two intervals allow: the runs were not paired."""
    if a is None or b is None:
        return ""
    if figure.difference:
        return f"{b - a:+.2%}"
    if not a:
        return "" if not b else "was 0"
    share = f"{b / a - 1:+.1%}"
    if not a_ci or not b_ci or not a_ci[0] or not a_ci[1]:
        return share
    return f"{share} [{b_ci[0] / a_ci[1] - 1:+.1%}, {b_ci[1] / a_ci[0] - 1:+.1%}]"


def _meet(one: Interval | None, other: Interval | None) -> bool:
    return bool(one and other and one[0] <= other[1] and other[0] <= one[1])
