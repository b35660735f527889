"""What follows once the candidates are made and checked: measure those that are right, choose, bundle, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optimize.benchmarks.targets import Target
from optimize.execution.bundling import Bundling
from optimize.execution.judging import add_figures, judge_candidate
from optimize.execution.measuring import measure
from optimize.execution.runner import Runner
from optimize.plan import Plan, Stage
from optimize.reports.model import BundleReport, Report
from optimize.reports.summary import build_report
from optimize.selection import Choice, Judged, choose, demand_verdict
from optimize.store import State


class Finish:
    """Over one runner whose plan has been carried out."""

    def __init__(self, runner: Runner, plan: Plan, target: Target, fidelity: str) -> None:
        self._runner = runner
        self._plan = plan
        self._target = target
        self._fidelity = fidelity
        self._pipeline = runner.file.pipeline

    def run(self) -> Report:
        judged = {c.name: judge_candidate(self._runner, c, self._plan.until) for c in self._plan.candidates}
        measured: Mapping[str, Any] = {}
        choice = Choice(None, {name: one.reason for name, one in judged.items()})
        if not Stage.MEASURE.after(self._plan.until):
            right = [c for c in self._plan.candidates if judged[c.name].state is State.OK]
            measured = measure(self._runner, right) if right else {}
            judged = {name: add_figures(self._runner, one, measured) for name, one in judged.items()}
            choice = self._choose(list(judged.values()))
        bundle = self._bundle(choice, judged)
        return build_report(self._runner, self._plan, self._target, self._fidelity, judged, choice, measured, bundle)

    def _choose(self, candidates: Sequence[Judged]) -> Choice:
        choice, benchmark = choose(candidates, self._pipeline.objective), self._pipeline.benchmark
        if benchmark.inconclusive == "accept":
            return choice
        result = self._runner.results.get("measure")
        noise = result.payload.get("noise") if result else None
        return demand_verdict(choice, candidates, benchmark.half_width, noise)

    def _bundle(self, choice: Choice, judged: Mapping[str, Judged]) -> BundleReport | None:
        if choice.winner is None or self._plan.until is not Stage.BUNDLE:
            return None
        candidate = next(c for c in self._plan.candidates if c.name == choice.winner)
        bundling = Bundling(self._runner, self._target, self._fidelity)
        return bundling.emit(candidate, judged[candidate.name], choice.reasons[candidate.name])
