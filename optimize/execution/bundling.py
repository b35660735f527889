"""The winner's bundles: made, opened in a clean process, and only then put where the pipeline file says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from optimize import stages
from optimize.benchmarks.targets import Target
from optimize.bundles.choice import containers_for
from optimize.bundles.images import find_image, image_note, remark
from optimize.bundles.toolkits import toolkit_for, why_not
from optimize.execution.events import StepResult
from optimize.execution.keys import step_key
from optimize.execution.provenance import provenance_of
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.plan import Candidate, Stage, Step
from optimize.reports.model import BundleReport
from optimize.selection import Judged
from optimize.sources.user_code import code_closure
from optimize.store import State

BUNDLE_LIMIT_S = 600.0


class Bundling:
    """Over one runner whose candidates are made and judged."""

    def __init__(self, runner: Runner, target: Target, fidelity: str) -> None:
        self._runner = runner
        self._target = target
        self._fidelity = fidelity
        self._pipeline = runner.file.pipeline
        self._section = runner.file.pipeline.bundle

    def emit(self, candidate: Candidate, judged: Judged, reason: str) -> tuple[BundleReport, ...]:
        """One for each container, and none at all where one of them could not be made or does not answer as its
        candidate does; the step's result says why."""
        containers = containers_for(self._section, candidate.format)
        several = len(containers) > 1
        provenance = provenance_of(self._runner, self._target, self._fidelity, candidate, judged, reason)
        booted = []
        for container in containers:
            made = self._make(candidate, container, provenance, several)
            if made.state is not State.OK:
                return ()
            result = self._boot(candidate, container, made)
            if result.state is not State.OK:
                return ()
            booted.append((made, result))
        output = self._runner.file.resolve(self._section.output)
        return tuple(
            self._put(candidate, made, result, beside(output, made.payload["container"]) if several else output)
            for made, result in booted
        )

    def _put(self, candidate: Candidate, made: StepResult, booted: StepResult, output: Path) -> BundleReport:
        copy_whole(made.made.files / "model.tar.gz", output)
        copy_whole(made.made.files / "golden.npz", output.with_name("golden.npz"))
        payload = made.payload
        return BundleReport(
            path=str(output), digest=payload["digest"], size_bytes=payload["size_bytes"],
            container=payload["container"], booted=_how(booted.payload), served=booted.payload["served"],
            notes=self._notes(candidate, payload["container"]),
        )  # fmt: skip

    def _notes(self, candidate: Candidate, container: str) -> list[str]:
        """What an image has to be for this bundle, where that is not plain."""
        image = find_image(self._section.image) if self._section.image else None
        if image:
            said = remark(image, candidate.format) if image.container == container else ""
            return [said] if said else []
        return [text for text in (image_note(container, candidate.format),) if text]

    def _make(self, candidate: Candidate, container: str, provenance: Mapping[str, Any], several: bool) -> StepResult:
        name = f"bundle:{container}" if several else "bundle"
        step = Step(name, Stage.BUNDLE, "", (candidate.artifact,), stages.runtimes()[candidate.format].libraries)
        compression = self._section.compression
        parameters = {
            "container": container,
            "image": self._section.image if self._is_for(container) else None,
            "name": self._pipeline.name,
            "candidate": candidate.name,
            "threads": self._target.threads,
            "settings": dict(candidate.settings),
            "level": None if compression == "auto" else compression,
            "provenance": provenance,
        }
        checked = self._runner.results[candidate.check].made
        data = {"answers": str(checked.files), **self._hooks()}
        inputs = {"model": self._runner.results[candidate.artifact].made.digest, "answers": checked.digest}
        # Not in the key: the bytes are the same for any number of threads.
        unkeyed = {"gzip_threads": self._section.gzip_threads}
        return self._run(step, candidate, inputs, parameters, data, unkeyed)

    def _hooks(self) -> dict[str, str]:
        return {"hooks": str(self._runner.file.resolve(self._section.code))} if self._section.code else {}

    def _is_for(self, container: str) -> bool:
        image = find_image(self._section.image) if self._section.image else None
        return image is not None and image.container == container

    def _boot(self, candidate: Candidate, container: str, made: StepResult) -> StepResult:
        name, libraries = made.step.name.replace("bundle", "boot"), stages.runtimes()[candidate.format].libraries
        step = Step(name, Stage.BUNDLE, "", (made.step.name,), libraries)
        parameters = {
            "container": container,
            "multi_model": self._section.multi_model,
            "toolkit_ready": toolkit_ready(container),
        }
        checked = self._runner.results[candidate.check].made
        data = {"bundle": str(made.made.files / "model.tar.gz"), "answers": str(checked.files), **self._hooks()}
        inputs = {"bundle": made.made.digest, "golden": self._runner.golden().digest, "answers": checked.digest}
        result = self._run(step, candidate, inputs, parameters, data, {})
        if result.state is State.OK and result.payload["problems"]:
            said = "; ".join(result.payload["problems"][:3])
            reason = f"the bundle does not answer as its candidate did when it was checked: {said}"
            result = replace(result, state=State.DRIFTED, reason=reason)
            self._runner.results[step.name] = result
        return result

    def _run(
        self,
        step: Step,
        candidate: Candidate,
        inputs: Mapping[str, str],
        parameters: dict[str, Any],
        data: dict[str, str],
        unkeyed: Mapping[str, Any],
    ) -> StepResult:
        runner = self._runner
        files = {"hooks": tuple(code_closure(Path(data["hooks"])))} if "hooks" in data else {}
        stage = "boot" if step.name.startswith("boot") else step.stage
        key = step_key(step, inputs={**inputs, "step": str(stage)}, files=files, parameters=parameters)
        request = Request(
            stage, "", {"model": runner.artifact(candidate.artifact)}, str(runner.golden().files), data=data,
            parameters=parameters | dict(unkeyed),
        )  # fmt: skip
        # A limit that is right for a candidate's steps may be too short for a server to start in.
        limits = replace(runner.limits, time_s=max(runner.limits.time_s, BUNDLE_LIMIT_S))
        result = runner.run_request(step, key, lambda: request, limits)
        runner.results[step.name] = result
        return result


def beside(output: Path, container: str) -> Path:
    """`model.tar.gz` becomes `model-pytorch.tar.gz`."""
    stem, dot, suffix = output.name.partition(".")
    return output.with_name(f"{stem}-{container}{dot}{suffix}")


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
