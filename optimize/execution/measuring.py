"""The measure step: the candidates that are right, and beside them the source and the baseline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from optimize import stages
from optimize.benchmarks.emulation import Emulation
from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.benchmarks.statistics import NEEDED
from optimize.execution.baseline import BASELINE, Baseline
from optimize.execution.keys import step_key
from optimize.execution.process import StepLimits
from optimize.execution.request import Request
from optimize.execution.runner import Runner
from optimize.plan import Candidate, Stage, Step

Settings = Mapping[str, Any]
SOURCE = "source"
MEASURE_LIMIT_S = 4 * 3600.0
"""Latency has its own budget; this only ends a controller that hangs."""
LIMITS = StepLimits(MEASURE_LIMIT_S, 1 << 62, poll_s=0.25)


def measure(
    runner: Runner, right: Sequence[Candidate], emulation: Emulation, baseline: Baseline | None = None
) -> Mapping[str, Any]:
    """Payload of the measurement by candidate, the source's under `source`, the baseline's under `baseline`."""
    step, modules = _step(right), _modules(runner, right)
    artifacts = {SOURCE: runner.source()} | {c.name: runner.artifact(c.artifact) for c in right}
    inputs = {c.name: runner.results[c.artifact].made.digest for c in right}
    if baseline:
        artifacts[BASELINE] = baseline.reference(runner.signature())
        modules[BASELINE] = _runtime(baseline.format)
        inputs[BASELINE] = baseline.digest
    parameters = measure_parameters(runner, modules, emulation, {c.name: c.settings for c in right})
    request = Request(step.stage, "", artifacts, str(runner.golden().files), parameters=parameters)
    result = runner.run_request(step, _key(runner, step, inputs, parameters), lambda: request, LIMITS)
    runner.results[step.name] = result
    candidates: Mapping[str, Any] = result.payload.get("candidates", {})
    failed = {"failure": f"the measurement ended {result.state}: {result.reason}"}
    return candidates or dict.fromkeys(artifacts, failed)


def _step(right: Sequence[Candidate]) -> Step:
    runtimes = stages.runtimes()
    libraries = tuple(dict.fromkeys(lib for c in right for lib in runtimes[c.format].libraries))
    return Step("measure", Stage.MEASURE, "", tuple(c.artifact for c in right), libraries)


def _modules(runner: Runner, right: Sequence[Candidate]) -> dict[str, str]:
    modules: dict[str, str] = {SOURCE: stages.stages("sources")[runner.file.pipeline.source.kind].__name__}
    return modules | {c.name: _runtime(c.format) for c in right}


def _runtime(format: str) -> str:
    name: str = stages.runtimes()[format].__name__  # type: ignore[attr-defined]
    return name


def _key(runner: Runner, step: Step, inputs: dict[str, str], parameters: Mapping[str, Any]) -> str:
    source = runner.file.pipeline.source
    inputs["rotation"] = runner.golden().record["files"]["rotation.npz"]
    files = {f"source.{role}": paths for role, paths in source.content(runner.file.base).items()}
    own = {"source": source.parameters(), "machine": machine_fingerprint()}
    return step_key(step, inputs=inputs, files=files, parameters={**parameters, **own})


def measure_parameters(
    runner: Runner, modules: Mapping[str, str], emulation: Emulation, settings: Mapping[str, Settings]
) -> dict[str, Any]:
    """`settings` are what runtimes are told, by candidate."""
    pipeline = runner.file.pipeline
    benchmark, margin = pipeline.benchmark, pipeline.gates.regression
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return {
        "reference": SOURCE,
        "runtimes": dict(modules),
        "settings": {name: dict(told) for name, told in settings.items()},
        "threads": runner.threads,
        "cpus": cores[-runner.threads :],  # The first core is where a machine's interrupts go.
        "processes": benchmark.processes,
        "budget_s": benchmark.budget_s,
        "total_s": benchmark.total_s,
        # A gate on regression needs intervals that fit well within its margin.
        "half_width": min(benchmark.half_width, margin / 2) if margin else benchmark.half_width,
        "seed": benchmark.seed,
        "cold": benchmark.cold_page_cache,
        "least_calls": NEEDED[0.99] if pipeline.gates.p99_ms else 0,
        "environment": dict(emulation.environment),
        "memory_bytes": emulation.memory_bytes,
        "throughput": _throughput(runner, cores),
    }


def _throughput(runner: Runner, cores: list[int]) -> dict[str, Any] | None:
    """One worker for every `threads` of the cores that the target has, as far as this machine has them too."""
    pipeline = runner.file.pipeline
    wanted = pipeline.throughput
    if wanted is None:
        return None
    threads = runner.threads
    workers = max(1, min(runner.target.threads, len(cores) or 1) // threads)
    shares = [cores[len(cores) - (i + 1) * threads :][:threads] for i in range(workers)]
    callers = wanted.callers or tuple(dict.fromkeys((1, workers, 2 * workers)))
    return {
        "callers": list(callers), "batches": list(wanted.batches), "p99_ms": wanted.p99_ms or pipeline.gates.p99_ms,
        "budget_s": wanted.budget_s, "seconds": wanted.seconds, "cpus": shares,
    }  # fmt: skip
