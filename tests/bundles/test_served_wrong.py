"""What must not come up does not, and what is served ends. `optimize boot --setup` has been run, and Java is there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import numpy_helper

from optimize.execution.request import ArtifactReference
from tests.bundles.cases import boot_request, emit_request
from tests.bundles.conftest import Carry

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("container", "format"), [("pytorch", "torchscript"), ("multi-model-server", "onnx")])
def test_a_corrupt_model_is_never_ready_and_the_cause_is_said(
    model: Callable[[str, str], ArtifactReference],
    golden: Callable[[str], Path],
    carry_out: Carry,
    tmp_path: Path,
    container: str,
    format: str,
) -> None:
    whole = model(format, "single")
    for path in Path(whole.path).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:200])
    corrupt = ArtifactReference(str(tmp_path), format, "none", whole.signature)
    _, files = carry_out(emit_request(corrupt, golden("single"), container))
    result, _ = carry_out(boot_request(files / "model.tar.gz", golden("single")))
    assert result["state"] == "failed"
    assert "the model does not load" in result["reason"] or "HTTP 500" in result["reason"]


def test_a_model_that_answers_nan_is_booted_and_found_wrong(
    model: Callable[[str, str], ArtifactReference], golden: Callable[[str], Path], carry_out: Carry, tmp_path: Path
) -> None:
    whole = model("onnx", "single")
    broken = onnx.load(Path(whole.path) / "model.onnx")
    weights = np.full((6, 4), np.nan, np.float32)
    broken.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
    onnx.save(broken, tmp_path / "model.onnx")
    reference = ArtifactReference(str(tmp_path), "onnx", "none", whole.signature)
    _, files = carry_out(emit_request(reference, golden("single"), "multi-model-server"))
    result, _ = carry_out(boot_request(files / "model.tar.gz", golden("single")))
    assert result["state"] == "ok"
    assert result["payload"]["served"]["cold_start_s"] is None
    assert "holds NaN" in result["payload"]["problems"][0]


def test_a_server_ends_with_the_process_that_started_it(emitted: Callable[..., Path], tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path\n"
        "from optimize.bundles.inspection import unpack_bundle; from optimize.bundles.server import _start\n"
        "from optimize.bundles.toolkits import TOOLKITS\n"
        "base = Path(sys.argv[2]); unpack_bundle(Path(sys.argv[1]), base / 'model')\n"
        "server = _start(TOOLKITS['multi_model_server'], base); print(server.process.pid, flush=True)\n"
        "import time; time.sleep(4); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(emitted("onnx", "single", "multi-model-server")), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    group = int(done.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (left := members(group)):
        time.sleep(0.1)
    assert left == []


def members(group: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found
