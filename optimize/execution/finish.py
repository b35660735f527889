"""What follows once the candidates are made and checked: measure those that are right, choose, bundle, report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optimize import stages
from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.benchmarks.targets import Target
from optimize.bundles.toolkits import toolkit_for, why_not
from optimize.drift import judge
from optimize.execution.events import StepResult
from optimize.execution.keys import step_key
from optimize.execution.process import StepLimits
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.plan import Candidate, Plan, Stage, Step
from optimize.reports.model import BundleReport, Report
from optimize.reports.summary import build_report
from optimize.selection import Choice, Judged, check_gates, choose, demand_verdict
from optimize.store import State
from optimize.versions import tool_version

SOURCE = "source"
BUNDLE_LIMIT_S = 600.0
MEASURE_LIMIT_S = 4 * 3600.0
"""Latency has its own budget; this only ends a controller that hangs."""


class Finish:
    """Over one runner whose plan has been carried out."""

    def __init__(self, runner: Runner, plan: Plan, target: Target, fidelity: str) -> None:
        self._runner = runner
        self._plan = plan
        self._target = target
        self._fidelity = fidelity
        self._pipeline = runner.file.pipeline

    def run(self) -> Report:
        judged = {c.name: self._judge(c) for c in self._plan.candidates}
        measured = self._measure(judged)
        judged = {name: self._with_figures(one, measured) for name, one in judged.items()}
        full = not Stage.MEASURE.after(self._plan.until)
        choice = self._choose(list(judged.values())) if full else _unchosen(judged)
        bundle = self._bundle(choice, judged) if choice.winner and self._plan.until is Stage.BUNDLE else None
        return build_report(self._runner, self._plan, self._target, self._fidelity, judged, choice, measured, bundle)

    def _choose(self, candidates: Sequence[Judged]) -> Choice:
        choice, benchmark = choose(candidates, self._pipeline.objective), self._pipeline.benchmark
        if benchmark.inconclusive == "accept":
            return choice
        measure = self._runner.results.get("measure")
        noise = measure.payload.get("noise") if measure else None
        return demand_verdict(choice, candidates, benchmark.half_width, noise)

    def _judge(self, candidate: Candidate) -> Judged:
        """State by the steps that were run, and by the drift that the check found."""
        blank = Judged(candidate.name, State.UNSUPPORTED, candidate.reason, candidate.precision)
        if candidate.reason:
            return blank
        last = self._last_result(candidate)
        if last is None:
            return replace(blank, state=State.SKIPPED, reason=f"the run stopped at stage {self._plan.until}")
        state, reason = self._state(candidate, last)
        made = self._runner.results.get(candidate.artifact)
        size = made.entry.size_bytes if made and made.entry and made.state is State.OK else None
        accuracy = last.payload.get("accuracy")
        return replace(blank, state=state, reason=reason, size_bytes=size, accuracy=accuracy)

    def _last_result(self, candidate: Candidate) -> StepResult | None:
        """Of the check; or of the step that made it, where the run stopped before."""
        results = self._runner.results
        return results.get(candidate.check) or results.get(candidate.artifact)

    def _state(self, candidate: Candidate, last: StepResult) -> tuple[State, str]:
        if last.state is State.SKIPPED:
            # The candidate ends as the step that makes it did; skipped is what hangs on something shared.
            made = self._runner.results[candidate.artifact]
            return made.state, made.reason
        if last.state is not State.OK or last.step.stage is not Stage.CHECK:
            return last.state, last.reason
        tolerance = getattr(self._pipeline.tolerances, candidate.precision)
        drifted = judge(last.payload["drift"], last.payload["problems"], tolerance)
        return (State.DRIFTED, drifted) if drifted else (State.OK, "")

    def _measure(self, judged: Mapping[str, Judged]) -> Mapping[str, Any]:
        """Payload of the measurement by candidate, the source's under `source`; empty where nothing was measured."""
        right = [c for c in self._plan.candidates if judged[c.name].state is State.OK]
        if not right or Stage.MEASURE.after(self._plan.until):
            return {}
        runtimes = stages.runtimes()
        modules = {SOURCE: stages.stages("sources")[self._pipeline.source.kind].__name__}
        modules |= {c.name: runtimes[c.format].__name__ for c in right}  # type: ignore[attr-defined]
        libraries = tuple(dict.fromkeys(lib for c in right for lib in runtimes[c.format].libraries))
        step = Step("measure", Stage.MEASURE, "", tuple(c.artifact for c in right), libraries)
        parameters = self._measure_parameters(modules)
        inputs = {c.name: self._entry_digest(c.artifact) for c in right}
        inputs["rotation"] = self._runner.golden().record["files"]["rotation.npz"]
        source = self._pipeline.source
        files = {f"source.{role}": paths for role, paths in source.content(self._runner.file.base).items()}
        key_parameters = parameters | {"source": source.parameters(), "machine": machine_fingerprint()}
        key = step_key(step, inputs=inputs, files=files, parameters=key_parameters)
        artifacts = {SOURCE: self._runner.source()} | {c.name: self._runner.artifact(c.artifact) for c in right}
        request = Request(step.stage, "", artifacts, str(self._runner.golden().files), parameters=parameters)
        limits = StepLimits(MEASURE_LIMIT_S, 1 << 62, poll_s=0.25)
        result = self._runner.run_request(step, key, lambda: request, limits)
        self._runner.results[step.name] = result
        candidates: Mapping[str, Any] = result.payload.get("candidates", {})
        failed = {"failure": f"the measurement ended {result.state}: {result.reason}"}
        return candidates or dict.fromkeys(artifacts, failed)

    def _measure_parameters(self, modules: Mapping[str, str]) -> dict[str, Any]:
        benchmark = self._pipeline.benchmark
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return {
            "reference": SOURCE,
            "runtimes": dict(modules),
            "threads": self._runner.threads,
            "cpus": cores[-self._runner.threads :],  # The first core is where a machine's interrupts go.
            "processes": benchmark.processes,
            "budget_s": benchmark.budget_s,
            "half_width": benchmark.half_width,
            "seed": benchmark.seed,
            "cold": benchmark.cold_page_cache,
        }

    def _entry_digest(self, step_name: str) -> str:
        return self._runner.results[step_name].made.digest

    def _with_figures(self, judged: Judged, measured: Mapping[str, Any]) -> Judged:
        figures = measured.get(judged.name, {})
        if "failure" in figures:
            judged = replace(judged, state=State.FAILED, reason=f"while it was measured: {figures['failure']}")
        else:
            judged = replace(
                judged,
                cold_start=figures.get("cold_start"),
                latency=figures.get("latency"),
                memory=figures.get("memory"),
            )
        measuring = not Stage.MEASURE.after(self._plan.until)
        if judged.state is not State.OK or not measuring:
            return judged
        return replace(judged, gates=check_gates(judged, self._pipeline.gates))

    def _bundle(self, choice: Choice, judged: Mapping[str, Judged]) -> BundleReport | None:
        """Made, opened in a clean process, and only then put where the pipeline file says."""
        candidate = next(c for c in self._plan.candidates if c.name == choice.winner)
        made = self._make_bundle(candidate, choice, judged[candidate.name])
        if made.state is not State.OK:
            return None
        booted = self._boot(candidate, made)
        if booted.state is not State.OK:
            return None
        output = self._runner.file.resolve(self._pipeline.bundle.output)
        copy_whole(made.made.files / "model.tar.gz", output)
        copy_whole(made.made.files / "golden.npz", output.with_name("golden.npz"))
        payload = made.payload
        return BundleReport(
            path=str(output), digest=payload["digest"], size_bytes=payload["size_bytes"],
            container=payload["container"], booted=_how(booted.payload), served=booted.payload["served"],
        )  # fmt: skip

    def _make_bundle(self, candidate: Candidate, choice: Choice, judged: Judged) -> StepResult:
        step = Step("bundle", Stage.BUNDLE, "", (candidate.artifact,), stages.runtimes()[candidate.format].libraries)
        parameters = {
            "container": self._pipeline.bundle.container,
            "name": self._pipeline.name,
            "candidate": candidate.name,
            "threads": self._runner.threads,
            "provenance": self._provenance(candidate, choice, judged),
        }
        return self._run(step, candidate, {"model": self._entry_digest(candidate.artifact)}, parameters, {})

    def _boot(self, candidate: Candidate, made: StepResult) -> StepResult:
        step = Step("boot", Stage.BUNDLE, "", ("bundle",), stages.runtimes()[candidate.format].libraries)
        tolerance = getattr(self._pipeline.tolerances, candidate.precision)
        container = made.payload["container"]
        parameters = {
            "container": container,
            "tolerance": tolerance.model_dump(),
            "toolkit_ready": toolkit_ready(container),
        }
        data = {"bundle": str(made.made.files / "model.tar.gz")}
        inputs = {"bundle": made.made.digest, "golden": self._runner.golden().digest}
        result = self._run(step, candidate, inputs, parameters, data)
        if result.state is not State.OK:
            return result
        drifted = judge(result.payload["drift"], list(result.payload["problems"]), tolerance)
        if drifted:
            result = replace(result, state=State.DRIFTED, reason=f"the bundle does not reproduce the golden: {drifted}")
            self._runner.results[step.name] = result
        return result

    def _run(
        self,
        step: Step,
        candidate: Candidate,
        inputs: Mapping[str, str],
        parameters: dict[str, Any],
        data: dict[str, str],
    ) -> StepResult:
        runner = self._runner
        key = step_key(step, inputs={**inputs, "step": step.name}, files={}, parameters=parameters)
        stage = "boot" if step.name == "boot" else step.stage
        request = Request(
            stage, "", {"model": runner.artifact(candidate.artifact)}, str(runner.golden().files), data=data,
            parameters=parameters,
        )  # fmt: skip
        # A limit that is right for a candidate's steps may be too short for a server to start in.
        limits = replace(runner.limits, time_s=max(runner.limits.time_s, BUNDLE_LIMIT_S))
        result = runner.run_request(step, key, lambda: request, limits)
        runner.results[step.name] = result
        return result

    def _provenance(self, candidate: Candidate, choice: Choice, judged: Judged) -> dict[str, Any]:
        check = self._runner.results[candidate.check]
        made = self._runner.results[candidate.artifact]
        golden = self._runner.golden()
        return {
            "tool": tool_version(),
            "candidate": candidate.name,
            "converter": candidate.converter,
            "method": made.payload["method"],
            "versions": dict(made.record["versions"]),
            "source": {"kind": self._pipeline.source.kind, "golden_digest": golden.digest},
            "pipeline": self._pipeline.model_dump(mode="json", exclude={"bundle", "report"}),
            "drift": check.payload["drift"],
            "accuracy": check.payload.get("accuracy"),
            "chosen": {"objective": self._pipeline.objective, "reason": choice.reasons[candidate.name]},
            "measurements": {
                "cold_start": judged.cold_start, "memory": judged.memory, "size_bytes": judged.size_bytes,
                "latency": {k: v for k, v in (judged.latency or {}).items() if k != "ratios"},
                "target": self._target.name, "fidelity": self._fidelity, "machine": machine_fingerprint(),
            },
        }  # fmt: skip


def _how(booted: Mapping[str, Any]) -> str:
    how, instead = str(booted["how"]), str(booted["instead"])
    return f"{how} ({instead})" if instead else how


def toolkit_ready(container: str) -> bool:
    """Whether the container's real server can be started here: once it can, a bundle is booted again, on it."""
    toolkit = toolkit_for(container)
    return toolkit is not None and not why_not(toolkit)


def _unchosen(judged: Mapping[str, Judged]) -> Choice:
    return Choice(None, {name: one.reason for name, one in judged.items()})


def copy_whole(source: Path, target: Path) -> None:
    """Atomically: at every moment the target is the old file or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
