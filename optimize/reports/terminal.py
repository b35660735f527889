"""What a run shows in a terminal once it has ended: the table, the reasons and the sentence."""

from __future__ import annotations

import os
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimize.plan import Stage
from optimize.reports.beside import lines
from optimize.reports.model import Report
from optimize.reports.search_model import SearchReport
from optimize.reports.searching import outcome, trials_grid
from optimize.reports.table import COLUMNS, fitting, gap, measured_where, ranked
from optimize.store import State

ONLY_ON_PAGES = ("accuracy", "size")
ONLY_WIDE = ("options", "why")
WIDE = 110
"""Columns of the trials that a terminal has no room for, or none where it has not as many characters."""
UNBOUND = 1000
"""Columns where nobody's eyes set a limit: a pipe or a file takes whole lines."""


def print_report(report: Report, console: Console) -> None:
    """The table cut to the columns there is room for, why each candidate won or lost, and the sentence."""
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNBOUND
    console.print()
    console.print(_table(report, console.width), highlight=False)
    console.print()
    if any(c.reason for c in report.candidates):
        console.print(_reasons(report), highlight=False)
        console.print()
    if report.search:
        console.print(_trials(report.search, console.width), highlight=False)
        console.print(Text(f"Search: {outcome(report.search)}.", style="dim"), soft_wrap=True)
        console.print()
    console.print(Text(report.sentence, style="bold"), soft_wrap=True)
    if not Stage.MEASURE.after(Stage(report.until)):
        console.print(Text(f"Measured: {measured_where(report)}.", style="dim"), soft_wrap=True)
    for line in lines(report):
        console.print(Text(f"{line}.", style="dim"), soft_wrap=True)
    for warning in report.warnings:
        console.print(Text(f"Note: {warning}.", style="yellow"), soft_wrap=True)
    for bundle in report.emitted:
        console.print(Text(f"Bundle: {bundle.path} (sha256 {bundle.digest[:16]}…)"), soft_wrap=True)


def _table(report: Report, width: int) -> Table:
    rows = ranked(report)
    columns, short = fitting(COLUMNS, rows, width)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap(short), 0, 0))
    for column in columns:
        title = (column.short or column.title) if short else column.title
        # A name that alone is wider than the terminal is folded: it must stay readable to be typed.
        wrap = column.give_up == 0
        justify: Literal["left", "right"] = "right" if column.numeric else "left"
        table.add_column(Text(title), justify=justify, no_wrap=not wrap, overflow="fold", vertical="bottom")
    for candidate in rows:
        cells = (column.short_cell(candidate) if short else column.cell(candidate) for column in columns)
        table.add_row(*map(Text, cells), style=_style(candidate.name == report.winner, candidate.state))
    return table


def _reasons(report: Report) -> Table:
    """One line per candidate, or a paragraph where the terminal is narrower than the reason is long."""
    lines = Table.grid(padding=(0, 2), pad_edge=False)
    lines.add_column(no_wrap=True, overflow="fold")
    lines.add_column(overflow="fold")
    for candidate in ranked(report):
        style = _style(candidate.name == report.winner, candidate.state)
        lines.add_row(Text(candidate.name, style=style), Text(why(candidate.state, candidate.reason)))
    return lines


def _trials(search: SearchReport, width: int) -> Table:
    grid = trials_grid(search)
    left_out = ONLY_ON_PAGES if width >= WIDE else (*ONLY_ON_PAGES, *ONLY_WIDE)
    shown = [i for i, title in enumerate(grid.columns) if title not in left_out]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for i in shown:
        table.add_column(grid.columns[i], overflow="fold", justify="right" if grid.numeric[i] else "left")
    state = grid.columns.index("state")
    for number, row in enumerate(grid.rows):
        style = _style(number in grid.wins, row[state].text)
        table.add_row(*(Text(row[i].text) for i in shown), style=style)
    return table


def why(state: str, reason: str) -> str:
    """The reason with its state in front, once."""
    return reason if state == State.OK or reason.startswith(f"{state}:") else f"{state}: {reason}"


def _style(wins: bool, state: str) -> str:
    return "bold green" if wins else "" if state == State.OK else "dim"
