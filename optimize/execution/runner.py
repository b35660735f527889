"""Carries out steps: looks each up in the store, runs what is not there, publishes what came of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psutil

from optimize.benchmarks.targets import Target
from optimize.errors import Interrupted, UserError
from optimize.execution.events import StepResult, Watcher
from optimize.execution.keys import step_key
from optimize.execution.process import Outcome, StepLimits, Workers
from optimize.execution.request import ArtifactReference, Request
from optimize.golden import DRAWN_FILE, DRAWN_ROWS
from optimize.pipeline.loading import PipelineFile
from optimize.plan import Attempt, Plan, Stage, Step
from optimize.signature import Signature
from optimize.store import Entry, State, Store
from optimize.versions import library_versions, tool_version

DEFAULT_MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Reads:
    """What a step is given besides artifacts: the user's files by role, the data it opens, its parameters."""

    files: Mapping[str, tuple[Path, ...]]
    data: Mapping[str, Any]
    parameters: Mapping[str, Any]


class Runner:
    """One run of one pipeline file over one store."""

    def __init__(self, file: PipelineFile, store: Store, watcher: Watcher, threads: int, target: Target) -> None:
        self.file = file
        self.store = store
        self.watcher = watcher
        self.threads = threads
        self.target = target
        self.results: dict[str, StepResult] = {}
        self._bad: dict[str, tuple[State, str, Entry]] = {}
        self._workers = Workers()
        limits = file.pipeline.limits
        memory = limits.memory_mb * 1e6 if limits.memory_mb else DEFAULT_MEMORY_SHARE * psutil.virtual_memory().total
        self.limits = StepLimits(limits.time_s, int(memory))

    def run_plan(self, plan: Plan) -> None:
        """All steps of the plan, as many at a time as there are cores; their results are in `results`.

        What an earlier plan has carried out in the same way stands. Raises UserError, with its place in the pipeline
        file, as soon as a step finds the user's input at fault.
        """
        sorter = TopologicalSorter({name: step.needs for name, step in plan.steps.items()})
        sorter.prepare()
        kept = self._kept(plan)
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            running: dict[Future[StepResult], str] = {}
            try:
                while sorter.is_active():
                    for name in sorter.get_ready():
                        if name in kept:
                            sorter.done(name)
                        else:
                            running[pool.submit(self.run_step, plan.steps[name])] = name
                    done, _ = wait(running, return_when=FIRST_COMPLETED) if running else ((), ())
                    for future in done:
                        name = running.pop(future)
                        self.results[name] = future.result()
                        sorter.done(name)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._workers.stop_all()
                raise
        # In the plan's order, and not in the one that they happened to end in: two runs give the same report.
        self.results = {name: self.results[name] for name in [*plan.steps, *self.results]}

    def _kept(self, plan: Plan) -> set[str]:
        kept: set[str] = set()
        for name, step in plan.steps.items():
            before = self.results.get(name)
            if before is not None and before.step == step and kept.issuperset(step.needs):
                kept.add(name)
        return kept

    def failed_attempts(self) -> set[Attempt]:
        """Converters and quantizers that did not make what they were to make; not those that were never run."""
        made = (r for r in self.results.values() if r.step.stage in (Stage.CONVERT, Stage.QUANTIZE))
        return {(r.step.module, r.step.makes) for r in made if r.state not in (State.OK, State.SKIPPED)}

    def run_step(self, step: Step, most_s: float = float("inf")) -> StepResult:
        """`most_s` ends it sooner than limits.time_s does."""
        blocked = next((self.results[need] for need in step.needs if self.results[need].state is not State.OK), None)
        if blocked is not None:
            result = StepResult(step, State.SKIPPED, _because(blocked))
            self.watcher.ended(result)
            return result
        files = self._files(step)
        key = step_key(step, inputs=self._inputs(step), files=files, parameters=self._parameters(step))
        limits = self.limits_of(step)
        limits = replace(limits, time_s=min(limits.time_s, most_s))
        return self.run_request(step, key, lambda: self._request(step), limits)

    def limits_of(self, step: Step) -> StepLimits:
        """A candidate is checked in the memory that its target has; what makes it may take more."""
        if step.stage is not Stage.CHECK or self.target.memory_bytes >= self.limits.memory_bytes:
            return self.limits
        return replace(self.limits, memory_bytes=self.target.memory_bytes, whose_memory=f"what {self.target.name} has")

    def run_request(self, step: Step, key: str, request: Any, limits: StepLimits | None = None) -> StepResult:
        """The result under `key`, from the store or from a worker that carries out what `request()` gives."""
        found = self.store.find(key)
        if found is not None:
            result = StepResult(step, found.state, found.reason, found, cached=True)
            self.watcher.ended(result)
            return result
        if key in self._bad:
            # The store serves no failure, and the next run tries again; this one has just seen how it ends.
            return StepResult(step, *self._bad[key])
        with self.store.staging() as staged:
            self.watcher.started(step, staged / "log.txt")
            request().write(staged / "request.json")
            outcome = self._workers.run(staged, limits or self.limits)
            self._raise_for_user(outcome)
            entry = self.store.publish(key, staged, _record(step, outcome))
        result = StepResult(step, outcome.state, outcome.reason, entry)
        if outcome.state is not State.OK:
            self._bad[key] = (outcome.state, outcome.reason, entry)
        self.watcher.ended(result)
        return result

    def _raise_for_user(self, outcome: Outcome) -> None:
        if outcome.reason.startswith("killed by SIGINT"):
            raise Interrupted("interrupted")
        if "user_error" in outcome.result:
            error = outcome.result["user_error"]
            raise self.file.located(UserError(error["message"], error["key"]))

    def signature(self) -> Signature:
        """The source's whole signature, as the golden found it."""
        return Signature.from_json(self.results["golden"].payload["signature"])

    def golden(self) -> Entry:
        return self.results["golden"].made

    def artifact(self, step_name: str) -> ArtifactReference:
        """What a convert or quantize step made."""
        result = self.results[step_name]
        made_format, quantization = result.step.makes
        return ArtifactReference(str(result.made.files), made_format, quantization, self.signature().to_json())

    def reads(self, step: Step) -> Reads:
        return Reads(self._files(step), self._data(step), self._parameters(step))

    def _files(self, step: Step) -> dict[str, tuple[Path, ...]]:
        """The user's files that count for this step, by role."""
        files: dict[str, tuple[Path, ...]] = {}
        if self._reads_source(step):
            files |= {f"source.{role}": paths for role, paths in self._source_files().items()}
        data = self.file.pipeline.data
        for role in self._roles(step):
            if role == "evaluation" and data.evaluation:
                files[role] = (self.file.resolve(data.evaluation.file),)
            elif data.calibration:
                files[role] = data.calibration.content(self.file.base)
        return files

    def _source_files(self) -> dict[str, tuple[Path, ...]]:
        """Raises UserError, with its place in the pipeline file, where a file that names others is not whole."""
        try:
            return self.file.pipeline.source.content(self.file.base)
        except UserError as error:
            raise (self.file.located(error) if error.key else error) from error

    def _reads_source(self, step: Step) -> bool:
        return step.stage is Stage.GOLDEN or step.needs == ("golden",)

    def _roles(self, step: Step) -> tuple[str, ...]:
        """The data that a step reads."""
        data = self.file.pipeline.data
        if step.calibrated:
            return ("calibration",)
        if step.stage not in (Stage.GOLDEN, Stage.CHECK):
            return ()
        # The rows the golden is computed on: labelled ones where there are any.
        if data.evaluation:
            return ("evaluation",)
        return ("calibration",) if data.calibration and not data.calibration.random else ()

    def _data(self, step: Step) -> dict[str, Any]:
        data = self.file.pipeline.data
        roles = self._roles(step)
        found: dict[str, Any] = {}
        if "evaluation" in roles and data.evaluation:
            found["evaluation"] = str(self.file.resolve(data.evaluation.file))
        if "calibration" in roles and data.calibration:
            found["calibration"] = data.calibration.wanted(self.file.base)
        return found

    def _inputs(self, step: Step) -> dict[str, str]:
        """Digests of the results that count. Converters see of the golden its examples and signature alone."""
        inputs = {}
        if step.stage in (Stage.CONVERT, Stage.QUANTIZE):
            inputs["examples"] = self.golden().record["files"]["examples.npz"]
            if step.calibrated and DRAWN_FILE in self.golden().record["files"]:
                inputs["calibration"] = self.golden().record["files"][DRAWN_FILE]
        elif step.stage is Stage.CHECK:
            inputs["golden"] = self.golden().digest
        for need in step.needs:
            if need != "golden":
                inputs["model"] = self.results[need].made.digest
        return inputs

    def _parameters(self, step: Step) -> dict[str, Any]:
        pipeline = self.file.pipeline
        calibration = pipeline.data.calibration
        parameters: dict[str, Any] = {}
        if self._reads_source(step):
            parameters["source"] = pipeline.source.parameters()
        if step.stage is not Stage.GOLDEN:
            parameters["signature"] = self.signature().to_json()
        if step.stage is Stage.GOLDEN:
            parameters["accept_constant"] = pipeline.tolerances.accept_constant
            if calibration and calibration.random:
                parameters["draw"] = calibration.rows or DRAWN_ROWS
        if "calibration" in self._roles(step) and calibration:
            parameters["calibration"] = calibration.parameters(self.file.base)
        if step.stage in (Stage.GOLDEN, Stage.CHECK) and pipeline.data.evaluation:
            evaluation = pipeline.data.evaluation
            parameters |= {"labels": evaluation.labels, "metric": evaluation.metric, "metric_output": evaluation.output}
        if step.stage is Stage.CHECK:
            parameters |= {"threads": self.threads, "settings": dict(step.settings)}
        if step.stage is Stage.QUANTIZE or step.options:
            parameters["options"] = dict(step.options)
        if step.targeted:
            isa = self.target.isa
            parameters |= {"isa": sorted(isa.names), "architecture": isa.architecture}
        return parameters

    def _request(self, step: Step) -> Request:
        before = [need for need in step.needs if need != "golden"]
        model = self.artifact(before[0]) if before else self.source()
        return Request(
            stage=step.stage,
            module=step.module,
            artifacts={"model": model},
            golden=str(self.golden().files) if step.stage is not Stage.GOLDEN else "",
            base=str(self.file.base.resolve()),
            data=self._data(step),
            parameters=self._parameters(step),
        )

    def source(self) -> ArtifactReference:
        options = self.file.pipeline.source
        signature = self.signature() if "golden" in self.results else options.signature()
        base = str(self.file.base.resolve())
        return ArtifactReference(base, options.kind, "source", signature.to_json(), options.model_dump(mode="json"))


def _because(blocked: StepResult) -> str:
    """Passed down unchanged from the step at which it began."""
    if blocked.state is State.SKIPPED:
        return blocked.reason
    return f"{blocked.step.title} ended {blocked.state}: {blocked.reason}"


def _record(step: Step, outcome: Outcome) -> Mapping[str, Any]:
    payload = dict(outcome.result.get("payload", {}))
    return {
        "step": step.name,
        "stage": step.stage.value,
        "module": step.module,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "payload": payload,
        "seconds": round(outcome.seconds, 3),
        "peak_bytes": outcome.peak_bytes,
        "versions": {"optimize": tool_version(), **library_versions(("numpy", *step.libraries))},
    }
