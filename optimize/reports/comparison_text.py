"""A comparison in the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimize.reports.comparison import Comparison
from optimize.reports.terminal import UNBOUND

WITHHELD = "times and memory are not compared: the runs were measured on different machines; --force compares them too"
ACROSS = "ACROSS MACHINES: times and memory were measured on different machines, and a difference may be the machine's"


def print_comparison(comparison: Comparison, console: Console, everything: bool = False) -> None:
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNBOUND
    labels = [run.label for run in comparison.runs]
    console.print(_runs(comparison))
    console.print()
    if comparison.differences:
        rows = [(one.area, one.what, *one.values) for one in comparison.differences]
        console.print(_table(("what changed", "", *labels), rows))
    else:
        console.print("nothing differs between the runs: pipeline, versions and machine are the same", highlight=False)
    console.print()
    _print_effects(comparison, console, labels, everything)
    if comparison.across_machines:
        console.print(Text(ACROSS if comparison.times else WITHHELD, style="yellow"), soft_wrap=True)


def _print_effects(comparison: Comparison, console: Console, labels: Sequence[str], everything: bool) -> None:
    told = [one for one in comparison.effects if everything or (one.differs and one.certain)]
    rows = [
        (one.candidate, one.figure, *one.values, "; ".join(change for change in one.changes if change)) for one in told
    ]
    if rows:
        console.print(_table(("candidate", "figure", *labels, f"against {labels[0]}"), rows))
    else:
        console.print("no figure differs by more than its interval", highlight=False)
    noisy = sum(one.differs and not one.certain for one in comparison.effects)
    if noisy and not everything:
        console.print(
            Text(
                f"{noisy} more differ within their intervals: nothing can be said of them (--all shows them)",
                style="dim",
            ),
            soft_wrap=True,
        )
    console.print()


def _runs(comparison: Comparison) -> Table:
    rows = [
        (run.label, run.given, winner, run.report.measured_at or "", str(run.report.machine.get("cpu")))
        for run, winner in zip(comparison.runs, comparison.winners, strict=True)
    ]
    return _table(("run", "", "winner", "measured", "on"), rows)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in titles:
        table.add_column(Text(title), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
