"""The winner's bundle: made, opened in a clean process, and only then put where the pipeline file says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
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
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.plan import Candidate, Stage, Step
from optimize.reports.model import BundleReport
from optimize.selection import Judged
from optimize.store import State
from optimize.versions import tool_version

BUNDLE_LIMIT_S = 600.0


class Bundling:
    """Over one runner whose candidates are made and judged."""

    def __init__(self, runner: Runner, target: Target, fidelity: str) -> None:
        self._runner = runner
        self._target = target
        self._fidelity = fidelity
        self._pipeline = runner.file.pipeline

    def emit(self, candidate: Candidate, judged: Judged, reason: str) -> BundleReport | None:
        """None where it could not be made or does not reproduce the golden; the step's result says why."""
        made = self._make(candidate, judged, reason)
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

    def _make(self, candidate: Candidate, judged: Judged, reason: str) -> StepResult:
        step = Step("bundle", Stage.BUNDLE, "", (candidate.artifact,), stages.runtimes()[candidate.format].libraries)
        parameters = {
            "container": self._pipeline.bundle.container,
            "name": self._pipeline.name,
            "candidate": candidate.name,
            "threads": self._runner.threads,
            "settings": dict(candidate.settings),
            "provenance": self._provenance(candidate, judged, reason),
        }
        inputs = {"model": self._runner.results[candidate.artifact].made.digest}
        return self._run(step, candidate, inputs, parameters, {})

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

    def _provenance(self, candidate: Candidate, judged: Judged, reason: str) -> dict[str, Any]:
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
            "chosen": {"objective": self._pipeline.objective, "reason": reason},
            "measurements": {
                "cold_start": judged.cold_start, "memory": judged.memory, "size_bytes": judged.size_bytes,
                "throughput": judged.throughput,
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


def copy_whole(source: Path, target: Path) -> None:
    """Atomically: at every moment the target is the old file or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
