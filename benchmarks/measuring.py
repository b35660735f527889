"""The body of the `measure` step: the experiment over real processes, its figures, and its raw samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from optimize.benchmarks.beside import beside
from optimize.benchmarks.design import Design, Samples
from optimize.benchmarks.experiment import collect, collect_cold
from optimize.benchmarks.figures import report
from optimize.benchmarks.fleet import ProcessFleet
from optimize.benchmarks.noise import Evidence
from optimize.benchmarks.page_cache import evict
from optimize.benchmarks.subjects import Subject, SubjectFailed, WorkerSubject
from optimize.benchmarks.throughput import ThroughputDesign, measure_throughput
from optimize.digests import files_below
from optimize.execution.request import Request


def run_experiment(request: Request, output: Path) -> dict[str, Any]:
    """Payload by candidate; raw samples beside it."""
    wanted = request.parameters
    design = Design(
        tuple(request.artifacts), wanted["reference"], wanted["processes"], wanted["budget_s"], wanted["half_width"],
        wanted["seed"], wanted["cold"], wanted["least_calls"], wanted["total_s"],
    )  # fmt: skip

    def start(name: str, generation: int) -> Subject:
        asked = _asked(request, name, wanted["cpus"])
        return WorkerSubject(asked, output.parent / "processes", f"{name}-{generation}", wanted["environment"])

    flushed = (output / "processes.jsonl").open("w", encoding="utf-8")

    def evict_artifact(name: str) -> bool:
        return evict(files_below(Path(request.artifacts[name].path)))

    evidence = Evidence()
    with flushed, beside(wanted["cpus"]):
        samples = collect(
            design, start, lambda line: print(json.dumps(line), file=flushed, flush=True), evidence=evidence
        )
    if design.cold:
        collect_cold(design, samples, start, evict_artifact)
    save_raw(output / "samples.npz", samples)
    figures = report(design, samples, evidence)
    if wanted["throughput"]:
        for name in (name for name, one in samples.items() if name != design.reference and not one.failure):
            figures["candidates"][name]["throughput"] = _throughput(request, name, output)
    return figures


def _asked(request: Request, name: str, cpus: Sequence[int]) -> dict[str, Any]:
    """What the worker of a candidate is told."""
    reference, wanted = request.artifacts[name], request.parameters
    return {
        "artifact": asdict(reference), "module": wanted["runtimes"][name], "threads": wanted["threads"],
        "settings": wanted["settings"].get(name, {}),
        # The source is there to be compared with, and not to be served.
        "cpus": list(cpus), "memory_bytes": None if name == wanted["reference"] else wanted["memory_bytes"],
        "rotation": str(Path(request.golden) / "rotation.npz"),
    }  # fmt: skip


def _throughput(request: Request, name: str, output: Path) -> dict[str, Any]:
    """With one worker for every core that the target's threads leave."""
    wanted = request.parameters["throughput"]
    design = ThroughputDesign(
        tuple(wanted["callers"]), tuple(wanted["batches"]) if request.artifacts[name].open().signature.batch else (),
        wanted["p99_ms"], wanted["budget_s"], wanted["seconds"], request.parameters["seed"],
        request.parameters["threads"],
    )  # fmt: skip

    def start(index: int) -> WorkerSubject:
        asked = _asked(request, name, wanted["cpus"][index])
        return WorkerSubject(
            asked, output.parent / "processes", f"{name}-fleet-{index}", request.parameters["environment"]
        )

    try:
        fleet = ProcessFleet(start, len(wanted["cpus"]))
    except SubjectFailed as error:
        return {"failure": str(error)}
    try:
        return measure_throughput(fleet, design)
    except SubjectFailed as error:
        return {"failure": str(error)}
    finally:
        fleet.quit()


def save_raw(path: Path, samples: Mapping[str, Samples]) -> None:
    """Every call, with candidate, generation, round and the time stamp of its slice, as columns."""
    columns: dict[str, list[Any]] = {"candidate": [], "generation": [], "round": [], "at_ns": [], "ns": []}
    for index, one in enumerate(samples.values()):
        for generation, rows in enumerate(one.slices):
            for number, row in enumerate(rows):
                count = len(row["ns"])
                columns["candidate"] += [index] * count
                columns["generation"] += [generation] * count
                columns["round"] += [number] * count
                columns["at_ns"] += [row["at_ns"]] * count
                columns["ns"] += row["ns"]
    arrays = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    np.savez_compressed(path, names=np.array(list(samples)), **arrays)  # type: ignore[arg-type]
