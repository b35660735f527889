"""What a run shows in a terminal: each step before and after it, then the table and the sentence."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from optimize.execution.events import StepResult
from optimize.plan import Plan, Stage, Step
from optimize.reports.model import Report
from optimize.reports.table import COLUMNS, measured_where, ranked
from optimize.store import State

STYLES = {State.OK: "green", State.SKIPPED: "dim", State.UNSUPPORTED: "yellow", State.DRIFTED: "yellow"}


class TerminalWatcher:
    """Plain lines where there is no terminal; else a line for each step that runs, below those that have ended.

    Steps are told from several threads; rich's console and live display take that.
    """

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._running: dict[str, float] = {}
        self._live: Live | None = None
        self._left = 0

    def planned(self, plan: Plan) -> None:
        # Measuring and bundling come after the plan's own steps, once it is known what survived.
        extra = 0 if Stage.MEASURE.after(plan.until) else 3 if plan.until is Stage.BUNDLE else 1
        self._left = len(plan.steps) + extra

    def started(self, step: Step) -> None:
        if self._quiet:
            return
        self._running[step.name] = time.monotonic()
        if step.stage is Stage.MEASURE or not self._console.is_terminal:
            # Nothing is drawn while time is measured: one line, and then silence until it has ended.
            self._stop()
            self._console.print(f"[dim]…[/] {step.title}", highlight=False)
            return
        if self._live is None:
            self._live = Live(console=self._console, get_renderable=self._lines, refresh_per_second=4, transient=True)
            self._live.start()

    def ended(self, result: StepResult) -> None:
        self._left = max(0, self._left - 1)
        if self._quiet:
            return
        self._running.pop(result.step.name, None)
        if not self._running:
            self._stop()
        self._console.print(self._line(result), highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _lines(self) -> Text:
        now = time.monotonic()
        running = dict(self._running)
        lines = [f"… {name.replace(':', ' ', 1)}  {now - since:.0f} s" for name, since in running.items()]
        return Text("\n".join([*lines, f"{self._left} steps left"]), style="dim")

    def _line(self, result: StepResult) -> Text:
        seconds = "stored" if result.cached else f"{result.record.get('seconds', 0):.1f} s"
        took = "" if result.state is State.SKIPPED else f" {seconds}"
        line = Text.assemble(
            (f"{result.state:<12}", STYLES.get(result.state, "red")), f"{result.step.title}", (took, "dim")
        )
        if result.reason:
            line.append(f"  {result.reason}")
        if result.state in (State.FAILED, State.CRASHED, State.OUT_OF_MEMORY, State.TIMED_OUT) and result.log:
            line.append(f"\n{'':12}log: {result.log}", "dim")
        return line


def print_report(report: Report, console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in COLUMNS:
        table.add_column(column.title, justify="right" if column.numeric else "left", no_wrap=column.title != "why")
    for candidate in ranked(report):
        style = "bold green" if candidate.name == report.winner else "" if candidate.state == State.OK else "dim"
        table.add_row(*(Text(column.cell(candidate)) for column in COLUMNS), style=style)
    console.print()
    console.print(table)
    console.print()
    console.print(Text(report.sentence, style="bold"), soft_wrap=True)
    if not Stage.MEASURE.after(Stage(report.until)):
        console.print(Text(f"Measured: {measured_where(report)}.", style="dim"), soft_wrap=True)
    for warning in report.warnings:
        console.print(Text(f"Note: {warning}.", style="yellow"), soft_wrap=True)
    if report.bundle:
        console.print(Text(f"Bundle: {report.bundle.path} (sha256 {report.bundle.digest[:16]}…)"), soft_wrap=True)
