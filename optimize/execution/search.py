"""Drives the search behind `quantization: auto`: asks the strategy, carries out what it asks for, stops at the budget.

It comes after the plan's own steps, since it starts from what they converted, and before anything is measured in full.
Trials are made one after the other, so that their seconds are their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from optimize import stages
from optimize.benchmarks.emulation import Emulation
from optimize.benchmarks.targets import local_isa
from optimize.execution.events import StepResult
from optimize.execution.keys import step_key
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.execution.search_space import make_space
from optimize.execution.trials import Carried, Trials
from optimize.methods import AUTO
from optimize.plan import Candidate, Plan, Stage, Step
from optimize.search import PROFILERS, RANKERS
from optimize.search.budget import Budget
from optimize.search.choosing import best
from optimize.search.explaining import instructions, why_slower
from optimize.search.space import NONE, Proposal, Ranking, in_words
from optimize.search.strategy import Answer, Strategy
from optimize.store import State

EVERYTHING = "everything there is to try was tried"


@dataclass
class Searched:
    """What a search has come to: the plan with the trials' steps in it, and its candidates on their best trials."""

    plan: Plan
    budget: Budget
    stopped: str = EVERYTHING
    carried: list[Carried] = field(default_factory=list)
    chosen: dict[str, Carried] = field(default_factory=dict)
    """By format."""
    sensitivity: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    slower: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def search(runner: Runner, plan: Plan, emulation: Emulation) -> Searched | None:
    """None where the plan has nothing to search for, or ends before anything is measured."""
    wanted = any(candidate.quantization == AUTO for candidate in plan.candidates)
    return Search(runner, plan, emulation).run() if wanted and not Stage.MEASURE.after(plan.until) else None


class Search:
    """Over one runner whose plan has been carried out."""

    def __init__(self, runner: Runner, plan: Plan, emulation: Emulation) -> None:
        self._runner = runner
        self._candidates = {c.format: c for c in plan.candidates if c.quantization == AUTO and self._stands(c)}
        self._found = Searched(plan, Budget(runner.file.pipeline.candidates.budget_s))
        self._trials = {
            format: Trials(runner, candidate, emulation, self._found.budget)
            for format, candidate in self._candidates.items()
        }

    def _stands(self, candidate: Candidate) -> bool:
        """Whether there is an fp32 to search from."""
        checked = self._runner.results.get(candidate.check)
        return checked is not None and checked.state is State.OK

    def run(self) -> Searched:
        found = self._found
        space = make_space(self._runner, list(self._candidates.values()))
        found.notes += space.notes
        asking = Strategy(space).ask()
        question = next(asking, None)
        while question is not None:
            why = found.budget.stops(question if isinstance(question, Proposal) else question.proposal)
            if why:
                found.stopped = why
                break
            answer = self._rank(question) if isinstance(question, Ranking) else self._try(question)
            try:
                question = asking.send(answer)
            except StopIteration:
                break
        found.notes += space.left_out([one.trial for one in found.carried])
        self._conclude()
        return found

    def _try(self, proposal: Proposal) -> Answer:
        found = self._found
        carried = self._trials[proposal.format].carry_out(proposal, len(found.carried) + 1)
        found.carried.append(carried)
        found.plan = replace(found.plan, steps={**found.plan.steps, **carried.steps})
        return carried.trial

    def _rank(self, question: Ranking) -> Answer:
        """Also where it could not be done: then there are none, and the search goes on without."""
        proposal = question.proposal
        carried = next(one for one in self._found.carried if one.trial.proposal == proposal)
        result = self._beside("rank", RANKERS[proposal.format], carried)
        if result.entry is not None:
            self._found.budget.count(str(result.entry.path), result.record["seconds"])
        layers = result.payload.get("layers", [])
        if layers:
            self._found.sensitivity[f"{proposal.format}-{proposal.method}"] = layers
        else:
            why = f"ended {result.state}: {result.reason}" if result.reason else "found no layer that it can rank"
            self._found.notes.append(f"no layer was left in float: {result.step.title} {why}")
        return [layer["layer"] for layer in layers]

    def _beside(self, verb: str, module: str, carried: Carried) -> StepResult:
        """A step that looks at fp32 and at a trial's artifact."""
        runner, candidate = self._runner, self._candidates[carried.candidate.format]
        runtime = stages.runtimes()[candidate.format]
        made = {"model": candidate.artifact, "quantized": carried.candidate.artifact}
        name = f"{verb}:{candidate.format}-{carried.trial.proposal.method}"
        calibrated = verb == "rank" and runner.file.pipeline.data.calibration is not None
        step = Step(
            name, Stage.CHECK, module, tuple(made.values()), runtime.libraries, calibrated=calibrated,
            settings=carried.candidate.settings,
        )  # fmt: skip
        reads = runner.reads(step)
        inputs = {role: runner.results[name].made.digest for role, name in made.items()}
        inputs["rotation"] = runner.golden().record["files"]["rotation.npz"]
        artifacts = {role: runner.artifact(name) for role, name in made.items()}
        request = Request(
            verb, module, artifacts, str(runner.golden().files), str(runner.file.base.resolve()), reads.data,
            reads.parameters,
        )  # fmt: skip
        key = step_key(step, inputs=inputs, files=reads.files, parameters=reads.parameters)
        result = runner.run_request(step, key, lambda: request)
        runner.results[step.name] = result
        self._found.plan = replace(self._found.plan, steps={**self._found.plan.steps, step.name: step})
        return result

    def _conclude(self) -> None:
        found = self._found
        for format in self._candidates:
            own = [one for one in found.carried if one.candidate.format == format]
            chosen = best([one.trial for one in own])
            if chosen is not None:
                found.chosen[format] = next(one for one in own if one.trial is chosen)
                self._explain(format, found.chosen[format])
        candidates = tuple(self._concluded(c) if c.quantization == AUTO else c for c in found.plan.candidates)
        found.plan = replace(found.plan, candidates=candidates)

    def _explain(self, format: str, chosen: Carried) -> None:
        """Why int8 is no faster, where that is so."""
        ratio = chosen.trial.ratio
        if ratio is None or ratio.value < 1 or chosen.trial.proposal.method == NONE:
            return
        here = local_isa()
        reasons = instructions(here.names, here.architecture, "this machine")
        if format in PROFILERS:
            result = self._beside("profile", PROFILERS[format], chosen)
            if result.state is State.OK:
                facts = result.payload
                reasons += why_slower(facts["model"], facts["quantized"], facts["copy_bytes_per_s"])
        else:
            reasons.append(f"what the runtime of {format} spends its time on is not looked into")
        self._found.slower[format] = reasons

    def _concluded(self, candidate: Candidate) -> Candidate:
        found, chosen = self._found, self._found.chosen.get(candidate.format)
        if chosen is None:
            nothing = f"no method quantizes {candidate.format} here"
            stands = candidate.format in self._candidates
            return replace(candidate, method=NONE, reason=nothing if stands else candidate.reason)
        trial = chosen.trial
        count = sum(one.candidate.format == candidate.format for one in found.carried)
        of = f"the best of {count} trials" if trial.cleared else f"the nearest of {count} trials, none of them right"
        remark = f"{in_words(trial.proposal)}, {of}"
        slower = found.slower.get(candidate.format)
        if slower:
            remark += f"; no faster than fp32: {'; '.join(slower)}"
        return replace(chosen.candidate, remark=remark)
