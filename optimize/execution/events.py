"""What a run tells whoever is watching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from optimize.errors import ToolError
from optimize.plan import Plan, Step
from optimize.store import Entry, State


@dataclass(frozen=True)
class StepResult:
    """How one step of this run ended. `entry` holds what it left on disk; a skipped step left nothing."""

    step: Step
    state: State
    reason: str
    entry: Entry | None = None
    cached: bool = False

    @property
    def made(self) -> Entry:
        """What it left on disk; only for a step that was carried out."""
        if self.entry is None:
            raise ToolError(f"{self.step.title} was not carried out: it ended {self.state}")
        return self.entry

    @property
    def payload(self) -> Mapping[str, Any]:
        return self.entry.payload if self.entry else {}

    @property
    def record(self) -> Mapping[str, Any]:
        return self.entry.record if self.entry else {}

    @property
    def log(self) -> str:
        return str(self.entry.path / "log.txt") if self.entry else ""

    @property
    def reproduce(self) -> str:
        """The command that carries the step out again, elsewhere."""
        return f"python -m optimize.execution.worker {self.entry.path} /tmp/again" if self.entry else ""


class Watcher(Protocol):
    """Shows a run. Nothing may be drawn between the start of the step `measure` and its end."""

    def planned(self, plan: Plan, expected: Mapping[str, float]) -> None:
        """`expected` is how many seconds steps took in earlier runs, of those that are known."""

    def started(self, step: Step, log: Path) -> None:
        """`log` grows while the step runs, and is moved when it has ended."""

    def ended(self, result: StepResult) -> None: ...


@dataclass
class Silent:
    """A watcher that keeps what it was told."""

    results: list[StepResult] = field(default_factory=list)

    def planned(self, plan: Plan, expected: Mapping[str, float]) -> None:
        """Nothing to show."""

    def started(self, step: Step, log: Path) -> None:
        """Nothing to show."""

    def ended(self, result: StepResult) -> None:
        self.results.append(result)
