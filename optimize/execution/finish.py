"""What follows once the candidates are made and checked: measure those that are right, choose, bundle, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optimize.benchmarks.sizing import Fit
from optimize.execution.baseline import Baseline
from optimize.execution.bundling import Bundling
from optimize.execution.costing import Costing
from optimize.execution.judging import add_figures, judge_candidate, judge_on_target
from optimize.execution.measuring import measure
from optimize.execution.nearness import Nearness
from optimize.execution.on_target import OnTarget, check_on_target, must_check
from optimize.execution.runner import Runner
from optimize.execution.search import Searched
from optimize.plan import Plan, Stage
from optimize.reports.beside import Extra
from optimize.reports.model import BundleReport, Report
from optimize.reports.summary import build_report
from optimize.selection import Choice, Judged, choose, demand_verdict, undecided_regression
from optimize.store import State


class Finish:
    """Over one runner whose plan has been carried out."""

    def __init__(
        self, runner: Runner, plan: Plan, near: Nearness, baseline: Baseline | None = None,
        searched: Searched | None = None,
    ) -> None:  # fmt: skip
        self._runner = runner
        self._plan = plan
        self._near = near
        self._baseline = baseline
        self._searched = searched
        self._pipeline = runner.file.pipeline

    def run(self) -> Report:
        judged = {c.name: judge_candidate(self._runner, c, self._plan.until) for c in self._plan.candidates}
        on_target = self._check_on_target(judged)
        judged = {name: judge_on_target(one, on_target.get(name)) for name, one in judged.items()}
        measured: Mapping[str, Any] = {}
        choice = Choice(None, {name: one.reason for name, one in judged.items()})
        if not Stage.MEASURE.after(self._plan.until):
            right = [c for c in self._plan.candidates if judged[c.name].state is State.OK]
            measured = measure(self._runner, right, self._near.emulation, self._baseline) if right else {}
            costing = self._costing(on_target)
            judged = {name: add_figures(self._runner, one, measured, costing) for name, one in judged.items()}
            choice = self._choose(list(judged.values()))
        made = self._bundle(choice, judged)
        extra = Extra(self._near, on_target, self._baseline, self._sizing(choice, judged, on_target), self._searched)
        return build_report(self._runner, self._plan, extra, judged, choice, measured, made)

    def _check_on_target(self, judged: Mapping[str, Judged]) -> dict[str, OnTarget]:
        if Stage.CHECK.after(self._plan.until):
            return {}
        kind = self._pipeline.source.kind
        found = {
            c.name: check_on_target(self._runner, c)
            for c in self._plan.candidates
            if judged[c.name].state is State.OK and must_check(self._runner.target, c, kind)
        }
        return {name: one for name, one in found.items() if one != OnTarget()}  # Which it is of what is in float.

    def _sizing(self, choice: Choice, judged: Mapping[str, Judged], on_target: Mapping[str, OnTarget]) -> list[Fit]:
        """For `target: auto`, or a family: the types that hold the winner, the one to take first."""
        if self._near.target.kind not in ("auto", "family") or choice.winner is None:
            return []
        costing = self._costing(on_target)
        need = costing.need(judged[choice.winner])
        return costing.types(need) if need else []

    def _costing(self, on_target: Mapping[str, OnTarget]) -> Costing:
        right = frozenset(name for name, one in on_target.items() if one.how and not one.drifted)
        return Costing(self._near.target, self._pipeline, right)

    def _choose(self, candidates: Sequence[Judged]) -> Choice:
        choice, benchmark = choose(candidates, self._pipeline.objective), self._pipeline.benchmark
        choice = undecided_regression(choice, candidates)
        if benchmark.inconclusive == "accept":
            return choice
        result = self._runner.results.get("measure")
        noise = result.payload.get("noise") if result else None
        return demand_verdict(choice, candidates, benchmark.half_width, noise)

    def _bundle(self, choice: Choice, judged: Mapping[str, Judged]) -> tuple[BundleReport, ...]:
        if choice.winner is None or self._plan.until is not Stage.BUNDLE:
            return ()
        candidate = next(c for c in self._plan.candidates if c.name == choice.winner)
        bundling = Bundling(self._runner, self._near.target, self._near.fidelity)
        return bundling.emit(candidate, judged[candidate.name], choice.reasons[candidate.name])
