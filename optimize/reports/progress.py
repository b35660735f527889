"""How far a run has come, candidate by candidate: what a live display says. Time is given, never read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from optimize.execution.estimates import LATER
from optimize.execution.events import StepResult
from optimize.plan import Candidate, Plan, Stage, Step
from optimize.store import State


@dataclass(frozen=True)
class Standing:
    """Where a candidate is: a state, or `running`, or `waiting`; and at which step."""

    candidate: str
    word: str
    about: str


class Progress:
    """Over the plan that is being carried out."""

    def __init__(self, now: float, workers: int | None = None) -> None:
        self._began = now
        self._workers = workers or os.cpu_count() or 1
        self._plan = Plan({}, (), Stage.GOLDEN)
        self._expected: Mapping[str, float] = {}
        self._ended: dict[str, StepResult] = {}
        self._running: dict[str, float] = {}

    def planned(self, plan: Plan, expected: Mapping[str, float]) -> None:
        """A plan that goes around what failed keeps what the one before has carried out in the same way."""
        self._ended = {name: r for name, r in self._ended.items() if plan.steps.get(name) == r.step}
        self._plan, self._expected = plan, expected

    def started(self, step: Step, now: float) -> None:
        self._running[step.name] = now
        if step.name in LATER:
            self._plan = Plan({}, self._plan.candidates, self._plan.until)

    def ended(self, result: StepResult) -> None:
        self._running.pop(result.step.name, None)
        self._ended[result.step.name] = result

    @property
    def running(self) -> tuple[str, ...]:
        return tuple(self._running)

    def beside(self, now: float) -> list[str]:
        """Of what runs and is in no plan: what the search tries, and what comes after it."""
        return [f"… {self.words(name, now)}" for name in self._running if name not in self._plan.steps]

    def standings(self, now: float) -> list[Standing]:
        """Of all candidates while the plan is carried out, those at work first; none once it has been."""
        found = [self._standing(candidate, now) for candidate in self._plan.candidates] if self._plan.steps else []
        return sorted(found, key=lambda one: one.word != "running")

    def _standing(self, candidate: Candidate, now: float) -> Standing:
        if candidate.reason:
            return Standing(candidate.name, State.UNSUPPORTED, candidate.reason)
        way = self._way(candidate.check or candidate.artifact)
        bad = next((r for name in way if (r := self._ended.get(name)) and r.state is not State.OK), None)
        if bad is not None:
            return Standing(candidate.name, bad.state, f"{bad.step.title}: {bad.reason}")
        at = next((name for name in way if name not in self._ended), None)
        if at is None:
            return Standing(candidate.name, State.OK, "checked" if self._plan.until is not Stage.QUANTIZE else "made")
        return Standing(candidate.name, "running" if at in self._running else "waiting", self.words(at, now))

    def _way(self, name: str) -> list[str]:
        """Steps that lead to it, first to last."""
        step = self._plan.steps.get(name)
        if step is None:
            return []
        return [*dict.fromkeys(before for need in step.needs for before in self._way(need)), name]

    def words(self, name: str, now: float) -> str:
        """`convert onnx 3 s of about 14 s` while it runs, else `for convert onnx`."""
        title = name.replace(":", " ", 1)
        if name not in self._running:
            return f"for {title}"
        expected = self._expected.get(name)
        usual = f" of about {duration(expected)}" if expected else ""
        return f"{title} {duration(now - self._running[name])}{usual}"

    def summary(self, now: float) -> str:
        """The stage, the steps and the time that are left, and the time so far."""
        left = self._left()
        stage = next((name.partition(":")[0] for name in [*self._running, *left] if name), "")
        steps = f"{len(left)} step{'' if len(left) == 1 else 's'} left"
        known = [self._expected[name] for name in left if name in self._expected]
        time = f", at most about {duration(self._seconds_left(now))} by earlier runs" if known else ""
        return f"{stage}: {steps}{time}; {duration(now - self._began)} so far"

    def _left(self) -> list[str]:
        until = self._plan.until
        later = () if Stage.MEASURE.after(until) else LATER if until is Stage.BUNDLE else LATER[:1]
        return [name for name in (*self._plan.steps, *later) if name not in self._ended]

    def _seconds_left(self, now: float) -> float:
        """As many steps of the plan at a time as there are workers; what comes later, one by one."""
        alone = together = 0.0
        for name in self._left():
            seconds = max(0.0, self._expected.get(name, 0.0) - (now - self._running.get(name, now)))
            alone += seconds if name in LATER else 0
            together += 0 if name in LATER else seconds
        return alone + together / self._workers


def duration(seconds: float) -> str:
    """`7 s`, `2 min 40 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
