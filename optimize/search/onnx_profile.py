"""What ONNX Runtime does with a model once it has optimized the graph: which operators run, and how long each takes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.runtimes import onnx as runtime
from optimize.stages import RuntimeSettings

CALLS = 30
COPIED_BYTES = 64_000_000


def profile(
    models: Mapping[str, Artifact], calls: Sequence[Arrays], settings: RuntimeSettings, work: Path
) -> dict[str, Any]:
    """Of each of the models, and how fast this machine copies memory."""
    found = {name: _profile(model, calls, settings, work) for name, model in models.items()}
    return found | {"copy_bytes_per_s": round(copy_bytes_per_s())}


def _profile(model: Artifact, calls: Sequence[Arrays], settings: RuntimeSettings, work: Path) -> dict[str, Any]:
    """`nodes`: how many of each kind run; `microseconds`: of each kind in one call; `bytes`: of the model's files."""
    import onnxruntime

    runtime.prepare(settings)
    options = runtime.session_options(settings)
    options.enable_profiling = True
    options.profile_file_prefix = str(work / "profile")
    session = onnxruntime.InferenceSession(runtime.read(model), options, providers=["CPUExecutionProvider"])
    for index in range(CALLS):
        session.run(None, calls[index % len(calls)])
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    size = sum(path.stat().st_size for path in model.path.rglob("*") if path.is_file())
    return _by_kind(events) | {"bytes": size}


def _by_kind(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By the median over the calls, which leaves out the first ones."""
    durations: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            durations.setdefault((event["args"]["op_name"], event["name"]), []).append(float(event["dur"]))
    nodes: dict[str, int] = {}
    taken: dict[str, float] = {}
    for (kind, _), values in durations.items():
        nodes[kind] = nodes.get(kind, 0) + 1
        taken[kind] = taken.get(kind, 0.0) + median(values)
    return {"nodes": nodes, "microseconds": taken}


def copy_bytes_per_s() -> float:
    """How fast this machine reads and writes memory: the best of a few copies of more than its caches hold."""
    import numpy as np

    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.empty_like(source)
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - started)
    return 2 * COPIED_BYTES / best
