"""Steps that look at an artifact for a search: which layers are sensitive, what the runtime spends its time on."""

from __future__ import annotations

import importlib
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays, load_arrays
from optimize.execution.request import Request
from optimize.execution.steps import calibration_rows
from optimize.golden import whole_batches
from optimize.stages import RuntimeSettings

BATCH, BATCHES = 8, 8
"""Rows at a time and batches at most that layers are ranked on."""


def rank(request: Request, output: Path) -> dict[str, Any]:
    """On calibration rows; where there are none, on the calls that latency is measured on."""
    artifacts = {role: reference.open() for role, reference in request.artifacts.items()}
    batches = calls(request)
    if "calibration" in request.data:
        signature = artifacts["model"].signature
        batches = list(islice(whole_batches(signature, calibration_rows(request, signature), BATCH), BATCHES))
    module = importlib.import_module(request.module)
    with tempfile.TemporaryDirectory(dir=output.parent) as work:
        return {"layers": module.rank(artifacts["model"], artifacts["quantized"], batches, Path(work))}


def profile(request: Request, output: Path) -> dict[str, Any]:
    """In fp32 and quantized, at batch 1."""
    artifacts = {role: reference.open() for role, reference in request.artifacts.items()}
    settings = RuntimeSettings.told(request.parameters["settings"], request.parameters["threads"])
    module = importlib.import_module(request.module)
    with tempfile.TemporaryDirectory(dir=output.parent) as work:
        found: dict[str, Any] = module.profile(artifacts, calls(request), settings, Path(work))
    return found


def calls(request: Request) -> list[Arrays]:
    """Those that latency is measured on."""
    stacked = load_arrays(Path(request.golden) / "rotation.npz")
    count = len(next(iter(stacked.values())))
    return [{name: array[index] for name, array in stacked.items()} for index in range(count)]
