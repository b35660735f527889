"""The measure step: the candidates that are right, and the source beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from optimize import stages
from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.execution.keys import step_key
from optimize.execution.process import StepLimits
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.plan import Candidate, Stage, Step

SOURCE = "source"
MEASURE_LIMIT_S = 4 * 3600.0
"""Latency has its own budget; this only ends a controller that hangs."""


def measure(runner: Runner, right: Sequence[Candidate]) -> Mapping[str, Any]:
    """Payload of the measurement by candidate, the source's under `source`."""
    step, modules = _step(right), _modules(runner, right)
    parameters = _parameters(runner, modules)
    artifacts = {SOURCE: runner.source()} | {c.name: runner.artifact(c.artifact) for c in right}
    request = Request(step.stage, "", artifacts, str(runner.golden().files), parameters=parameters)
    limits = StepLimits(MEASURE_LIMIT_S, 1 << 62, poll_s=0.25)
    result = runner.run_request(step, _key(runner, step, right, parameters), lambda: request, limits)
    runner.results[step.name] = result
    candidates: Mapping[str, Any] = result.payload.get("candidates", {})
    failed = {"failure": f"the measurement ended {result.state}: {result.reason}"}
    return candidates or dict.fromkeys(artifacts, failed)


def _step(right: Sequence[Candidate]) -> Step:
    runtimes = stages.runtimes()
    libraries = tuple(dict.fromkeys(lib for c in right for lib in runtimes[c.format].libraries))
    return Step("measure", Stage.MEASURE, "", tuple(c.artifact for c in right), libraries)


def _modules(runner: Runner, right: Sequence[Candidate]) -> dict[str, str]:
    runtimes = stages.runtimes()
    modules: dict[str, str] = {SOURCE: stages.stages("sources")[runner.file.pipeline.source.kind].__name__}
    return modules | {c.name: runtimes[c.format].__name__ for c in right}  # type: ignore[attr-defined]


def _key(runner: Runner, step: Step, right: Sequence[Candidate], parameters: Mapping[str, Any]) -> str:
    source = runner.file.pipeline.source
    inputs = {c.name: runner.results[c.artifact].made.digest for c in right}
    inputs["rotation"] = runner.golden().record["files"]["rotation.npz"]
    files = {f"source.{role}": paths for role, paths in source.content(runner.file.base).items()}
    own = {"source": source.parameters(), "machine": machine_fingerprint()}
    return step_key(step, inputs=inputs, files=files, parameters={**parameters, **own})


def _parameters(runner: Runner, modules: Mapping[str, str]) -> dict[str, Any]:
    benchmark = runner.file.pipeline.benchmark
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return {
        "reference": SOURCE,
        "runtimes": dict(modules),
        "threads": runner.threads,
        "cpus": cores[-runner.threads :],  # The first core is where a machine's interrupts go.
        "processes": benchmark.processes,
        "budget_s": benchmark.budget_s,
        "half_width": benchmark.half_width,
        "seed": benchmark.seed,
        "cold": benchmark.cold_page_cache,
    }
