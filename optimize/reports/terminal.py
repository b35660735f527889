"""What a run shows in a terminal: each step before and after it, then the table and the sentence."""

from __future__ import annotations

import os
import threading
import time
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from optimize.execution.events import StepResult
from optimize.plan import Plan, Stage, Step
from optimize.reports.model import Report
from optimize.reports.table import COLUMNS, fitting, gap, measured_where, ranked
from optimize.store import State

STYLES = {State.OK: "green", State.SKIPPED: "dim", State.UNSUPPORTED: "yellow", State.DRIFTED: "yellow"}
LOGGED = (State.FAILED, State.CRASHED, State.OUT_OF_MEMORY, State.TIMED_OUT)
UNBOUND = 1000
"""Columns where nobody's eyes set a limit: a pipe or a file takes whole lines."""


class TerminalWatcher:
    """Plain lines where there is no terminal; else a line for each step that runs, below those that have ended.

    Steps are told from several threads.
    """

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._running: dict[str, float] = {}
        self._live: Live | None = None
        self._left = 0
        self._since = time.monotonic()
        self._lock = threading.RLock()

    def planned(self, plan: Plan) -> None:
        # Measuring and bundling come after the plan's own steps, once it is known what survived.
        extra = 0 if Stage.MEASURE.after(plan.until) else 3 if plan.until is Stage.BUNDLE else 1
        self._left = len(plan.steps) + extra

    def started(self, step: Step) -> None:
        if self._quiet:
            return
        with self._lock:
            self._running[step.name] = time.monotonic()
            if step.stage is Stage.MEASURE:
                # Nothing is drawn while time is measured: one line, and then silence until it has ended.
                self._stop()
                self._console.print(f"[dim]…[/] {step.title} (silent until it has ended)", highlight=False)
            elif not self._console.is_terminal:
                self._console.print(f"… {step.title}", highlight=False)
            elif self._live is None:
                self._live = Live(
                    console=self._console, get_renderable=self._lines, refresh_per_second=4, transient=True
                )  # fmt: skip
                self._live.start()

    def ended(self, result: StepResult) -> None:
        with self._lock:
            self._left = max(0, self._left - 1)
            if self._quiet:
                return
            self._running.pop(result.step.name, None)
            if not self._running:
                self._stop()
            self._console.print(self._line(result), highlight=False, soft_wrap=True)

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _lines(self) -> Text:
        now = time.monotonic()
        running = dict(self._running)
        lines = [f"… {name.replace(':', ' ', 1)}  {now - since:.0f} s" for name, since in running.items()]
        steps = "step" if self._left == 1 else "steps"
        last = f"{self._left} {steps} left, {now - self._since:.0f} s so far"
        return Text("\n".join([*lines, last]), style="dim", no_wrap=True, overflow="ellipsis")

    def _line(self, result: StepResult) -> Text:
        seconds = "stored" if result.cached else f"{result.record.get('seconds', 0):.1f} s"
        took = "" if result.state is State.SKIPPED else f" {seconds}"
        line = Text.assemble(
            (f"{result.state:<12}", STYLES.get(result.state, "red")), f"{result.step.title}", (took, "dim")
        )
        if result.reason:
            line.append(f"  {result.reason}")
        if result.state in LOGGED and result.log:
            line.append(f"\n{'':12}log: {result.log}", "dim")
        return line


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
    console.print(Text(report.sentence, style="bold"), soft_wrap=True)
    if not Stage.MEASURE.after(Stage(report.until)):
        console.print(Text(f"Measured: {measured_where(report)}.", style="dim"), soft_wrap=True)
    for warning in report.warnings:
        console.print(Text(f"Note: {warning}.", style="yellow"), soft_wrap=True)
    if report.bundle:
        console.print(Text(f"Bundle: {report.bundle.path} (sha256 {report.bundle.digest[:16]}…)"), soft_wrap=True)


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


def why(state: str, reason: str) -> str:
    """The reason with its state in front, once."""
    return reason if state == State.OK or reason.startswith(f"{state}:") else f"{state}: {reason}"


def _style(wins: bool, state: str) -> str:
    return "bold green" if wins else "" if state == State.OK else "dim"
