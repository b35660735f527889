"""What a report holds only where it was asked for, each as a table that HTML and Markdown render: the search,
throughput, the old artifact, the target's instruction sets, and the instance types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optimize.reports.figures import Throughput
from optimize.reports.model import CandidateReport, Report
from optimize.reports.table import NONE, digits, ranked


@dataclass(frozen=True)
class Cell:
    """`figure` is what the column sorts by; None stands last."""

    text: str
    figure: float | str | None = None


@dataclass(frozen=True)
class Grid:
    """`numeric` says of each column whether it is one of figures; `plots` name plots of the page with their words."""

    anchor: str
    title: str
    about: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    plots: tuple[tuple[str, str, str], ...] = ()
    wins: tuple[int, ...] = ()
    """Rows that are marked: the winner's, or the best."""


def grids(report: Report) -> list[Grid]:
    """Those that have rows, in the order of the page."""
    from optimize.reports.searching import search_grids

    made = (*search_grids(report), _throughput(report), _baseline(report), _on_target(report), _sizing(report))
    return [grid for grid in made if grid is not None and grid.rows]


def word(text: str) -> Cell:
    return Cell(text, text)


def number(value: float | None, form: str = "") -> Cell:
    """By `form`, else with three figures."""
    return Cell(NONE if value is None else format(value, form) if form else digits(value), value)


def _marked(rows: Sequence[tuple[Cell, ...]], name: str | None) -> tuple[int, ...]:
    return tuple(i for i, row in enumerate(rows) if row[0].text == name)


def _throughput(report: Report) -> Grid | None:
    rows = tuple(_throughput_row(c.name, c.throughput) for c in ranked(report) if c.throughput)
    return Grid(
        "throughput", "Throughput",
        "Worker processes that take one request at a time. Open loop: the highest rate of Poisson arrivals whose p99, "
        "counted from the scheduled time, was within the target. Closed loop: callers that wait for their answer.",
        ("candidate", "requests/s", "p99 target ms", "a core", "workers", "most rows/s, closed loop", "remark"),
        (False, True, True, True, True, True, False), rows,
        plots=(("open-loop", "Open loop", "p99 against the rate of arrivals; hollow marks missed the dashed target."),),
        wins=_marked(rows, report.winner),
    )  # fmt: skip


def _throughput_row(name: str, one: Throughput) -> tuple[Cell, ...]:
    return (
        word(name), number(one.rate_per_s), number(one.p99_target_ms), number(one.per_core_per_s),
        Cell(str(one.workers or NONE), one.workers), number(one.best_rows_per_s), word(one.failure or one.cut_short),
    )  # fmt: skip


def _baseline(report: Report) -> Grid | None:
    old = report.baseline
    if old is None:
        return None
    rows = tuple(_regression_row(c) for c in ranked(report) if c.regression)
    failed = (f"It could not be measured: {old.failure}",) if old.failure else ()
    if failed:
        rows = ((word(NONE), number(None), number(None), word("not measured")),)
    return Grid(
        "baseline", "Against the old artifact",
        f"{old.path} ({old.format}-{old.quantization}, sha256 {old.digest[:16]}…), measured again beside the "
        f"candidates in the same rounds; under 1 is faster than it.",
        ("candidate", "its time over the old one's", "margin", "verdict"), (False, True, True, False),
        rows, notes=failed,
        wins=_marked(rows, report.winner),
    )  # fmt: skip


def _regression_row(c: CandidateReport) -> tuple[Cell, ...]:
    assert c.regression is not None
    low, high = c.regression.ci
    ratio = f"{c.regression.ratio:.3f}× [{low:.3f}, {high:.3f}]"
    return (
        word(c.name), Cell(ratio, c.regression.ratio), number(c.regression.margin, ".1%"), word(c.regression.verdict)
    )  # fmt: skip


def _on_target(report: Report) -> Grid | None:
    rows = tuple(_target_row(c) for c in ranked(report) if c.on_target)
    return Grid(
        "on-target", "int8 on the target's processor",
        f"Kernels for int8 differ by instruction set: {report.target.name} has "
        f"{', '.join(report.target.isa) or 'none that matters'}.",
        ("candidate", "looked at by", "largest relative drift there", "outcome"), (False, False, True, False), rows,
        wins=_marked(rows, report.winner),
    )  # fmt: skip


def _target_row(c: CandidateReport) -> tuple[Cell, ...]:
    assert c.on_target is not None
    one = c.on_target
    worst = max((d.max_relative for d in (one.drift or {}).values()), default=None)
    outcome = f"drifted: {one.drifted}" if one.drifted else f"unknown: {one.unknown}" if one.unknown else "right"
    return word(c.name), word(one.how), number(worst, ".1e"), word(outcome)


def _sizing(report: Report) -> Grid | None:
    def gigabytes(count: int) -> Cell:
        return Cell(f"{count / 2**30:.2f} GiB", count)

    rows = tuple(
        (
            word(one.name), number(one.vcpus, "d"), number(one.workers, "d"), gigabytes(one.memory_bytes),
            number(one.per_s), number(one.usd_per_hour, ".4g"), number(one.usd_per_million, ".4g"), word(one.fidelity),
        )
        for one in report.sizing
    )  # fmt: skip
    return Grid(
        "instances", "Instance types that hold the winner",
        "This machine's figures, taken for every core of the type; prices are the user's.",
        ("type", "vCPUs", "workers", "memory", "requests/s", "$ an hour", "$ a million", "fidelity"),
        (False, True, True, True, True, True, True, False), rows, wins=_marked(rows, report.target.name),
    )  # fmt: skip


def as_markdown(grid: Grid, escape: Callable[[str], str]) -> list[str]:
    """Lines of a table, every cell escaped."""
    lines = ["| " + " | ".join(map(escape, grid.columns)) + " |"]
    lines.append("|" + "|".join("--:" if numeric else ":--" for numeric in grid.numeric) + "|")
    for i, row in enumerate(grid.rows):
        cells = [escape(cell.text) for cell in row]
        if i in grid.wins:
            cells[0] = f"**{cells[0]}**"
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, *(f"\n{escape(note)}" for note in grid.notes)]
