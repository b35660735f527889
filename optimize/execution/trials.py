"""One trial of a search as ordinary steps: quantize, check, and where it is right a short measurement against fp32.

Every step goes through the runner and the store, so that what was tried once is never carried out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from optimize import stages
from optimize.benchmarks.emulation import Emulation
from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.drift import judge
from optimize.durations import in_words
from optimize.execution.events import StepResult
from optimize.execution.keys import step_key
from optimize.execution.measuring import LIMITS, measure_parameters
from optimize.execution.on_target import check_on_target, must_check
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.methods import precision_of
from optimize.pipeline.schema import Gates
from optimize.plan import Candidate, Stage, Step
from optimize.search.budget import Budget
from optimize.search.space import NONE, Interval, Proposal, Trial
from optimize.selection import OBJECTIVES, Judged, check_gates, figure
from optimize.store import State

BASE, TRIAL = "none", "trial"
LEAST_S = 1.0
"""What a step is given however little is left of the budget."""
PROCESSES = 3
OWN_FIGURE = ("cold_start", "size", "memory")
"""Objectives that a short measurement gives a figure for."""
MOST_S = 2.0
"""Of calls, per trial: enough to rank trials; the candidate that comes of them is measured in full."""


@dataclass(frozen=True)
class Carried:
    """A trial with the steps it consisted of, in order, and what they found."""

    trial: Trial
    candidate: Candidate
    """The candidate as it would be if this trial were the best."""
    results: tuple[StepResult, ...]
    drift: Mapping[str, Any]
    accuracy: Mapping[str, Any] | None
    size_bytes: int | None
    seconds: float = 0.0
    """What its own steps took, those aside that an earlier trial had already made."""

    @property
    def steps(self) -> dict[str, Step]:
        return {result.step.name: result.step for result in self.results}


class Trials:
    """Carries out proposals for one candidate, whose fp32 has been made and is right."""

    def __init__(self, runner: Runner, candidate: Candidate, emulation: Emulation, budget: Budget) -> None:
        self._runner = runner
        self._budget = budget
        self._emulation = emulation
        self._candidate = candidate
        self._routes = {route.step.makes[1]: route for route in candidate.routes}

    def carry_out(self, proposal: Proposal, number: int) -> Carried:
        before = self._budget.used_s
        carried = self._carry_out(proposal, number)
        spent = self._budget.used_s - before
        self._budget.end_trial(proposal, spent)
        return replace(carried, seconds=spent)

    def _carry_out(self, proposal: Proposal, number: int) -> Carried:
        name = f"{self._candidate.name}-{number}"
        candidate = self._proposed(proposal, name)
        results = []
        if proposal.method != NONE:
            results.append(self._run(self._quantize(proposal, candidate.artifact)))
        if not results or results[-1].state is State.OK:
            results.append(self._run(self._check(proposal, candidate)))
        carried = self._judged(proposal, candidate, tuple(results))
        if carried.trial.state is State.OK and must_check(self._runner.target, candidate, ""):
            carried = self._on_target(carried, name)
        if carried.trial.state is not State.OK or carried.trial.reason:
            return carried
        timed = self._measure(f"measure:{name}", candidate)
        return self._timed(replace(carried, results=(*carried.results, timed)), timed)

    def _on_target(self, carried: Carried, name: str) -> Carried:
        """Under the target's instruction sets, where they may give other numbers than those of this machine."""
        found = check_on_target(self._runner, replace(carried.candidate, name=name))
        looked = self._runner.results.get(f"check-on-target:{name}")
        results = (*carried.results, self._spent(looked)) if looked else carried.results
        if not found.drifted:
            return replace(carried, results=results)
        trial = replace(carried.trial, state=State.DRIFTED, reason=found.drifted)
        return replace(carried, results=results, trial=trial)

    def _proposed(self, proposal: Proposal, name: str) -> Candidate:
        route = self._routes.get(proposal.method)
        return replace(
            self._candidate, artifact=f"quantize:{name}" if route else self._candidate.artifact, check=f"check:{name}",
            converter=route.converter if route else self._candidate.converter, method=proposal.method,
            settings={**self._candidate.settings, **proposal.settings},
        )  # fmt: skip

    def _quantize(self, proposal: Proposal, name: str) -> Step:
        step = self._routes[proposal.method].step
        options = {**step.options, **proposal.options}
        if "exclude" in proposal.options:  # Beside those that the file itself leaves in float.
            options["exclude"] = [*step.options["exclude"], *proposal.options["exclude"]]
        return replace(step, name=name, options=options)

    def _check(self, proposal: Proposal, candidate: Candidate) -> Step:
        runtime = stages.runtimes()[candidate.format]
        return Step(
            candidate.check, Stage.CHECK, runtime.__name__, ("golden", candidate.artifact),  # type: ignore[attr-defined]
            runtime.libraries, makes=(proposal.format, proposal.method), settings=candidate.settings,
        )  # fmt: skip

    def _run(self, step: Step) -> StepResult:
        return self._spent(self._runner.run_step(step, self._most_s()))

    def _most_s(self) -> float:
        """What is left of the budget ends a step, too."""
        return max(LEAST_S, self._budget.left_s)

    def _spent(self, result: StepResult) -> StepResult:
        left = self._budget.left_s
        if result.entry is not None:
            self._budget.count(str(result.entry.path), result.record["seconds"])
        if result.state is State.TIMED_OUT and left < self._runner.limits.time_s:
            result = replace(result, reason=f"still running when the budget of {in_words(self._budget.total_s)} ended")
        self._runner.results[result.step.name] = result
        return result

    def _judged(self, proposal: Proposal, candidate: Candidate, results: tuple[StepResult, ...]) -> Carried:
        last = results[-1]
        made = self._runner.results[candidate.artifact]
        size = made.made.size_bytes if made.state is State.OK else None
        checked = last.step.stage is Stage.CHECK and last.state is State.OK
        drift: Mapping[str, Any] = last.payload["drift"] if checked else {}
        accuracy = last.payload.get("accuracy") if checked else None
        state, reason = (self._verdict(proposal, last, accuracy)) if checked else (last.state, last.reason)
        distance = max((1.0 - one["cosine"] for one in drift.values()), default=None)
        trial = Trial(proposal, state, reason, distance)
        return Carried(trial, candidate, results, drift, accuracy, size)

    def _verdict(self, proposal: Proposal, check: StepResult, accuracy: Mapping[str, Any] | None) -> tuple[State, str]:
        pipeline = self._runner.file.pipeline
        tolerance = getattr(pipeline.tolerances, precision_of(proposal.method, proposal.format))
        drifted = judge(check.payload["drift"], check.payload["problems"], tolerance)
        if drifted:
            return State.DRIFTED, drifted
        judged = Judged("", State.OK, "", "", accuracy=accuracy)
        missed = [g for g in check_gates(judged, Gates(accuracy_drop=pipeline.gates.accuracy_drop)) if not g.held]
        return State.OK, f"gate not met: {missed[0].detail}" if missed else ""

    def _measure(self, name: str, candidate: Candidate) -> StepResult:
        """Interleaved with the fp32 of the same format, as the pipeline file has it run."""
        runner, plain = self._runner, self._candidate
        runtime = stages.runtimes()[candidate.format]
        step = Step(name, Stage.MEASURE, "", (plain.artifact, candidate.artifact), runtime.libraries)
        module = runtime.__name__  # type: ignore[attr-defined]
        benchmark = runner.file.pipeline.benchmark
        settings = {BASE: plain.settings, TRIAL: candidate.settings}
        modules = {BASE: module, TRIAL: module}
        parameters = measure_parameters(runner, modules, self._emulation, settings) | {
            "reference": BASE, "processes": PROCESSES, "budget_s": min(MOST_S, benchmark.budget_s), "cold": False,
            "total_s": 0.0, "least_calls": 0, "throughput": None,
        }  # fmt: skip
        artifacts = {BASE: runner.artifact(plain.artifact), TRIAL: runner.artifact(candidate.artifact)}
        inputs = {BASE: plain.artifact, TRIAL: candidate.artifact}
        digests = {role: runner.results[made].made.digest for role, made in inputs.items()}
        digests["rotation"] = runner.golden().record["files"]["rotation.npz"]
        own = {**parameters, "machine": machine_fingerprint()}
        request = Request(step.stage, "", artifacts, str(runner.golden().files), parameters=parameters)
        result = runner.run_request(
            step, step_key(step, inputs=digests, files={}, parameters=own), lambda: request,
            replace(LIMITS, time_s=min(LIMITS.time_s, self._most_s())),
        )  # fmt: skip
        return self._spent(result)

    def _timed(self, carried: Carried, timed: StepResult) -> Carried:
        figures = timed.payload.get("candidates", {}).get(TRIAL, {})
        failure = timed.reason if timed.state is not State.OK else figures.get("failure", "")
        found = figures.get("latency", {}).get("ratio")
        if failure or not found:
            reason = f"while it was measured: {failure or 'fp32 failed'}"
            return replace(carried, trial=replace(carried.trial, state=State.FAILED, reason=reason))
        ratio = Interval(found["value"], *found["ci"])
        judged = Judged(
            "", State.OK, "", "", carried.size_bytes, cold_start=figures["cold_start"], latency=figures["latency"],
            memory=figures["memory"],
        )  # fmt: skip
        objective = self._runner.file.pipeline.objective
        # Latencies of different measurements are compared by their ratios to fp32, which was there in each; throughput
        # and cost follow latency.
        small = figure(judged, OBJECTIVES[objective][0]) if objective in OWN_FIGURE else ratio.value
        return replace(carried, trial=replace(carried.trial, ratio=ratio, figure=small))
