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
from optimize.reports.searched import HEADER, summary_line, trial_cells
from optimize.reports.table import COLUMNS, fitting, gap, measured_where, ranked
from optimize.store import State

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
        console.print(_trials(report.search), highlight=False)
        console.print(Text(f"{summary_line(report.search)}.", style="dim"), soft_wrap=True)
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


def _trials(search: SearchReport) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for title in HEADER:
        table.add_column(title, overflow="fold", justify="left" if title in ("trial", "state", "") else "right")
    for trial in search.trials:
        table.add_row(*map(Text, trial_cells(trial)), style=_style(trial.best, trial.state))
    return table


def why(state: str, reason: str) -> str:
    """The reason with its state in front, once."""
    return reason if state == State.OK or reason.startswith(f"{state}:") else f"{state}: {reason}"


def _style(wins: bool, state: str) -> str:
    return "bold green" if wins else "" if state == State.OK else "dim"
