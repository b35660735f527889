"""What a run shows while it is carried out."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from optimize.execution.events import StepResult
from optimize.plan import Plan, Stage, Step
from optimize.reports.following import Follower
from optimize.reports.progress import Progress, duration
from optimize.store import State

STYLES = {State.OK: "green", State.SKIPPED: "dim", State.UNSUPPORTED: "yellow", State.DRIFTED: "yellow"}
LOGGED = (State.FAILED, State.CRASHED, State.OUT_OF_MEMORY, State.TIMED_OUT)


class TerminalWatcher:
    """Plain lines where there is no terminal; else, below a line for each step that has ended, where every candidate
    stands and how much is left.

    `quiet` shows nothing. `verbose` adds the steps' logs as they run, versions, and what came from the store. Steps
    are told from several threads.
    """

    def __init__(self, console: Console, quiet: bool = False, verbose: bool = False) -> None:
        self._console = console
        self._draws = console.is_terminal and not console.is_dumb_terminal
        self._quiet = quiet
        self._verbose = verbose
        self._progress = Progress(time.monotonic())
        self._expected: Mapping[str, float] = {}
        self._follower = Follower(self._print_log)
        self._live: Live | None = None
        self._lock = threading.RLock()
        # Apart from the lock on what is printed: the live display draws while it holds a lock of its own, for which
        # whoever prints may be waiting.
        self._state = threading.Lock()

    def planned(self, plan: Plan, expected: Mapping[str, float]) -> None:
        with self._state:
            self._expected = expected
            self._progress.planned(plan, expected)

    def started(self, step: Step, log: Path) -> None:
        if self._quiet:
            return
        with self._state:
            self._progress.started(step, time.monotonic())
        with self._lock:
            if step.stage is Stage.MEASURE:
                self._fall_silent(step)
                return
            if not self._draws:
                self._console.print(f"… {step.title}", highlight=False)
            elif self._live is None:
                self._live = Live(
                    console=self._console, get_renderable=self._drawing, refresh_per_second=4, transient=True
                )
                self._live.start()
        if self._verbose:
            self._follower.follow(step.title, log)

    def _fall_silent(self, step: Step) -> None:
        """Nothing is drawn while time is measured: one line, and then silence until it has ended."""
        self._stop()
        expected = self._expected.get(step.name)
        usual = f", which took {duration(expected)} the last time" if expected else ""
        self._console.print(f"[dim]…[/] {step.title} (silent until it has ended{usual})", highlight=False)

    def ended(self, result: StepResult) -> None:
        if self._quiet:
            return
        if self._verbose and not result.cached:
            self._follower.finish(result.step.title, Path(result.log) if result.log else None)
        with self._state:
            self._progress.ended(result)
            idle = not self._progress.running
        with self._lock:
            if idle:
                self._stop()
            self._console.print(self._line(result), highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._follower.close()
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawing(self) -> RenderableType:
        with self._state:
            now = time.monotonic()
            last = _one_line(self._progress.summary(now))
            standings = self._progress.standings(now)
            beside = [_one_line(line) for line in self._progress.beside(now)]
        if not standings:
            return Group(*beside, last)
        room = max(1, self._console.height - 5)
        lines = Table.grid(padding=(0, 2), pad_edge=False)
        for _ in range(3):
            lines.add_column(no_wrap=True, overflow="ellipsis")
        for one in standings[:room]:
            lines.add_row(Text(one.candidate), Text(one.word, _style_of(one.word)), Text(one.about, "dim"))
        more = [_one_line(f"and {len(standings) - room} more candidates")] if len(standings) > room else []
        return Group(lines, *more, *beside, last)

    def _print_log(self, title: str, lines: list[str]) -> None:
        with self._lock:
            for line in lines:
                self._console.print(Text(f"{'':12}{title} │ {line}", "dim"), highlight=False, soft_wrap=True)

    def _line(self, result: StepResult) -> Text:
        seconds = "stored" if result.cached else f"{result.record.get('seconds', 0):.1f} s"
        took = "" if result.state is State.SKIPPED else f" {seconds}"
        line = Text.assemble(
            (f"{result.state:<12}", STYLES.get(result.state, "red")), f"{result.step.title}", (took, "dim")
        )
        if result.reason:
            line.append(f"  {result.reason}")
        if result.log and (result.state in LOGGED or self._verbose):
            line.append(f"\n{'':12}log: {result.log}", "dim")
        if self._verbose and result.record:
            line.append("".join(f"\n{'':12}{words}" for words in _details(result)), "dim")
        return line


def _details(result: StepResult) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in result.record.get("versions", {}).items())
    peak = result.record.get("peak_bytes")
    return [
        *([f"with {versions}"] if versions else []),
        *([f"peak memory {peak / 1e6:.0f} MB"] if peak and not result.cached else []),
        *([f"again: {result.reproduce}"] if result.state in LOGGED else []),
    ]


def _one_line(text: str) -> Text:
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")


def _style_of(word: str) -> str:
    return {"running": "bold", "waiting": "dim"}.get(word) or STYLES.get(State(word), "red")
