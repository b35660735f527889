"""Artifacts against each other: interleaved rounds in fresh processes, one thread, pinned to one core."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.benchmarks.measuring import run_experiment
from optimize.benchmarks.studies.quantization.judging import runtime_module
from optimize.execution.request import ArtifactReference, Request

OURS = "ours"


def compare(
    artifacts: Mapping[str, ArtifactReference], golden: Path, settings: Mapping[str, Any], budget_s: float, output: Path
) -> Mapping[str, Any]:
    """By artifact: `p50_ms`, and `ratio` and `ci` of our latency to its; `failure` where it could not be timed.

    `settings` are what our runtime is told.
    """
    (output / "files").mkdir(parents=True, exist_ok=True)
    parameters = {
        "reference": OURS, "runtimes": {name: runtime_module(one.format) for name, one in artifacts.items()},
        "threads": 1, "cpus": sorted(os.sched_getaffinity(0))[-1:], "processes": 3, "budget_s": budget_s,
        "half_width": 0.003, "seed": 0, "cold": False,
        "least_calls": 0, "total_s": 0.0, "settings": {OURS: dict(settings)}, "environment": {},
        "memory_bytes": None, "throughput": None,
    }  # fmt: skip
    request = Request("measure", "", artifacts, str(golden), parameters=parameters)
    report = run_experiment(request, output / "files")
    figures = {name: _figures(name, report["candidates"]) for name in artifacts}
    return {"noise": report["noise"]["verdict"], "budget_s": budget_s, "artifacts": figures}


def _figures(name: str, candidates: Mapping[str, Any]) -> Mapping[str, Any]:
    one = candidates[name]
    if "failure" in one:
        return {"failure": one["failure"]}
    timed = {"p50_ms": one["latency"]["p50_ms"], "rounds": one["latency"]["rounds"]}
    ratio = candidates[OURS].get("latency", {}).get("ratios", {}).get(name)
    return {**timed, "ratio": ratio["value"], "ci": ratio["ci"]} if ratio else timed
