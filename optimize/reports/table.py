"""The comparison table as text cells, shared by the terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from optimize.reports.figures import SourceRatio
from optimize.reports.model import CandidateReport, Report
from optimize.reports.words import megabytes
from optimize.selection import AT_LEAST

NONE = "–"


@dataclass(frozen=True)
class Column:
    """`figure` is what the column sorts by; `give_up` is the order in which columns make room on a narrow terminal."""

    title: str
    cell: Callable[[CandidateReport], str]
    figure: Callable[[CandidateReport], float | str | None]
    short: str = ""
    narrow: Callable[[CandidateReport], str] | None = None
    give_up: int = 0
    hint: str = ""
    numeric: bool = True

    def short_cell(self, candidate: CandidateReport) -> str:
        return (self.narrow or self.cell)(candidate)


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def _p50(c: CandidateReport) -> float | None:
    return c.latency.p50_ms if c.latency else None


def _ratio(c: CandidateReport) -> SourceRatio | None:
    return c.latency.ratio if c.latency else None


def _milliseconds(c: CandidateReport) -> str:
    p50 = _p50(c)
    return NONE if p50 is None else digits(p50)


def _times_faster(c: CandidateReport) -> float | None:
    ratio = _ratio(c)
    return 1 / ratio.value if ratio else None


def _speed_up(c: CandidateReport) -> str:
    ratio = _ratio(c)
    if not ratio:
        return NONE
    return f"{digits(1 / ratio.value)}× [{digits(1 / ratio.ci[1])}, {digits(1 / ratio.ci[0])}]"


def digits(value: float) -> str:
    """Three that count, and no exponent: 0.635, 8.00, 12.1, 1053."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _cold_start(c: CandidateReport) -> float | None:
    return c.cold_start.total_s if c.cold_start else None


def _drift(c: CandidateReport) -> float | None:
    return max((d.max_relative for d in c.drift.values()), default=None)


def _score(c: CandidateReport) -> float | None:
    return c.accuracy.score if c.accuracy else None


def _accuracy(c: CandidateReport) -> str:
    return f"{c.accuracy.score:.2%} ({c.accuracy.difference:+.2%})" if c.accuracy else NONE


def _peak(c: CandidateReport) -> int | None:
    return c.memory.peak_bytes if c.memory else None


def _bytes(count: int | None) -> str:
    return NONE if count is None else megabytes(count)


def _short_bytes(count: int | None) -> str:
    return NONE if count is None else megabytes(count).removesuffix(" MB")


COLUMNS = (
    Column("candidate", lambda c: c.name, lambda c: c.name, numeric=False),
    Column("state", lambda c: c.state, lambda c: c.state, give_up=3, numeric=False),
    Column("p50 ms", _milliseconds, _p50, "p50\nms", give_up=8, hint="median of calls at batch 1"),
    Column(
        "speed-up", _speed_up, _times_faster, give_up=7,
        hint="the source's time over the candidate's, paired by round, with its 95 % interval; over 1 is faster",
    ),
    Column(
        "cold start s", lambda c: _number(_cold_start(c), ".2f"), _cold_start, "cold\nstart s", give_up=6,
        hint="process start to first answer, median of fresh processes",
    ),
    Column(
        "memory", lambda c: _bytes(_peak(c)), _peak, "memory\nMB", lambda c: _short_bytes(_peak(c)), give_up=2,
        hint="peak of the process that runs it",
    ),
    Column(
        "size", lambda c: _bytes(c.size_bytes), lambda c: c.size_bytes, "size\nMB",
        lambda c: _short_bytes(c.size_bytes), give_up=5, hint="of the artifact's files",
    ),
    Column(
        "accuracy", _accuracy, _score, "accuracy", lambda c: _number(_score(c), ".2%"), give_up=4,
        hint="on the evaluation rows; in brackets the difference to the source",
    ),
    Column(
        "drift", lambda c: _number(_drift(c), ".1e"), _drift, give_up=1,
        hint="largest |candidate - golden| over max(|golden|, its root mean square), worst output",
    ),
)  # fmt: skip
"""All but why; that is a sentence, and stands beside the table or below it. `give_up` 0 never goes."""


def fitting(columns: Sequence[Column], rows: Iterable[CandidateReport], width: int) -> tuple[tuple[Column, ...], bool]:
    """The columns that fit into `width`, and whether their cells must be the short ones."""
    rows, kept = list(rows), [c for c in columns if any(c.cell(row) != NONE for row in rows)]
    if _width(kept, rows, short=False) <= width:
        return tuple(kept), False
    for give_up in sorted(column.give_up for column in kept if column.give_up):
        if _width(kept, rows, short=True) <= width:
            break
        kept = [column for column in kept if column.give_up != give_up]
    return tuple(kept), True


def _width(columns: Sequence[Column], rows: Sequence[CandidateReport], short: bool) -> int:
    return sum(max(len(text) for text in _texts(column, rows, short)) for column in columns) + gap(short) * (
        len(columns) - 1
    )


def gap(short: bool) -> int:
    """Spaces between two columns."""
    return 1 if short else 2


def _texts(column: Column, rows: Sequence[CandidateReport], short: bool) -> list[str]:
    if short:
        return [*(column.short or column.title).split("\n"), *(column.short_cell(row) for row in rows)]
    return [column.title, *(column.cell(row) for row in rows)]


def ranked(report: Report) -> list[CandidateReport]:
    """The winner first, then what was measured by latency, then the rest in the order of the file."""
    order = {c.name: i for i, c in enumerate(report.candidates)}

    def place(c: CandidateReport) -> tuple[bool, float, int]:
        latency = _p50(c)
        return (c.name != report.winner, float("inf") if latency is None else latency, order[c.name])

    return sorted(report.candidates, key=place)


def bound_in_signs(gate: str, bound: float) -> str:
    return f"{'≥' if gate in AT_LEAST else '≤'} {bound:g}"


def measured_where(report: Report) -> str:
    """What was measured, and how far it can be taken for the target."""
    target, cpu = report.target, report.machine["cpu"]
    return (
        f"in-process calls at batch 1, warm page cache, {target.threads} thread(s), on {cpu}; "
        f"fidelity to {target.name}: {target.fidelity}"
        + (f"; the machine was {report.noise.verdict}" if report.noise else "")
    )
