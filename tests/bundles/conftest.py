"""Small models in every format, and their golden. Each step runs in a worker process of its own, as in a run."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimize.arrays import save_arrays
from optimize.execution.process import clean_environment
from optimize.execution.request import ArtifactReference, Request
from optimize.golden import write_case
from tests.bundles.cases import SIGNATURES, draw_inputs, emit_request, right_outputs

Carry = Callable[[Request], tuple[dict[str, Any], Path]]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], ArtifactReference]:
    """The model of a format and a kind, made once."""
    root = tmp_path_factory.mktemp("models")

    @functools.cache
    def make(format: str, kind: str) -> ArtifactReference:
        folder = root / f"{format}-{kind}"
        script = str(Path(__file__).with_name("make_model.py"))
        quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, "-W", "ignore", script, format, kind, str(folder)], check=True, env=quiet)
        return ArtifactReference(str(folder), format, "none", SIGNATURES[kind].to_json())

    return make


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind's golden."""
    root = tmp_path_factory.mktemp("goldens")

    @functools.cache
    def make(kind: str) -> Path:
        folder = root / kind
        folder.mkdir()
        for index, (rows, length) in enumerate([(1, 3), (3, 6)]):
            inputs = draw_inputs(kind, rows, length, seed=index)
            write_case(folder, index, inputs, right_outputs(kind, inputs))
        (folder / "cases.json").write_text(json.dumps(["batch=1", "batch=3"]), encoding="utf-8")
        calls = [draw_inputs(kind, 1, seed=10 + i) for i in range(4)]
        save_arrays(folder / "rotation.npz", {name: np.stack([c[name] for c in calls]) for name in calls[0]})
        return folder

    return make


@pytest.fixture(scope="session")
def carry_out(tmp_path_factory: pytest.TempPathFactory) -> Carry:
    """Runs a step in a worker; gives its result and the folder of what it made."""

    def carry(request: Request) -> tuple[dict[str, Any], Path]:
        folder = tmp_path_factory.mktemp(request.stage)
        request.write(folder / "request.json")
        command = [sys.executable, "-m", "optimize.execution.worker", str(folder)]
        with (folder / "log.txt").open("wb") as log:
            subprocess.run(command, env=clean_environment(), cwd=folder, stdout=log, stderr=log, check=False)
        return json.loads((folder / "result.json").read_text(encoding="utf-8")), folder / "files"

    return carry


@pytest.fixture(scope="session")
def emitted(
    model: Callable[[str, str], ArtifactReference], golden: Callable[[str], Path], carry_out: Carry
) -> Callable[..., Path]:
    """`model.tar.gz` of a format and a kind."""

    @functools.cache
    def emit(format: str, kind: str, container: str = "") -> Path:
        result, files = carry_out(emit_request(model(format, kind), golden(kind), container))
        assert result["state"] == "ok", result
        return files / "model.tar.gz"

    return emit
