"""Bundles on the real toolkits, over HTTP. `optimize boot --setup` has been run, and Java is there."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimize.bundles.boot import _tolerance
from optimize.bundles.inspection import unpack_bundle
from optimize.bundles.samples import Sample, ask_all, samples_of
from optimize.bundles.served import Served, open_served, start_figures
from optimize.bundles.server import LOOPBACK
from optimize.bundles.toolkits import TOOLKITS, toolkit_for, why_not
from optimize.execution.request import ArtifactReference
from tests.bundles.cases import SIGNATURES, boot_request, draw_inputs, emit_request, right_outputs
from tests.bundles.conftest import Carry

pytestmark = pytest.mark.slow

SERVED = [
    ("pytorch", "torchscript", "single"),
    ("pytorch", "torchscript", "several"),
    ("pytorch", "onnx", "single"),
    ("multi-model-server", "onnx", "single"),
    ("multi-model-server", "onnx", "several"),
]


@pytest.fixture(scope="module", params=SERVED, ids="-".join)
def running(
    request: pytest.FixtureRequest, emitted: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str, dict[str, Any]]]:
    """A served bundle, its kind, and the figures of its start."""
    container, format, kind = request.param
    toolkit = toolkit_for(container)
    assert toolkit is not None
    assert why_not(toolkit) == ""
    base = tmp_path_factory.mktemp("s")
    bundle = unpack_bundle(emitted(format, kind, container), base / "model")
    inputs = draw_inputs(kind, 2)
    with open_served(toolkit, base, bundle) as served:
        start = start_figures(served, Sample("start", inputs, right_outputs(kind, inputs)), _tolerance({}, bundle))
        yield served, kind, dict(start)


Running = tuple[Served, str, dict[str, Any]]


def test_the_golden_is_answered_right_in_every_form(running: Running, golden: Callable[[str], Path]) -> None:
    served, kind, start = running
    assert start["cold_start_s"] > 0
    meter = ask_all(served, samples_of(boot_request(Path(), golden(kind)), SIGNATURES[kind]), SIGNATURES[kind])
    assert meter.problems == []
    assert all(figures["max_abs"] < 1e-5 for figures in meter.figures().values())


def test_a_content_type_may_have_parameters_and_an_accept_may_be_a_list(running: Running) -> None:
    served, kind, _ = running
    if "json named" not in served.forms:
        pytest.skip("the PyTorch container's own handler reads neither")
    body, _ = served.write(draw_inputs(kind, 1), "json named")
    headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "text/html, application/json;q=0.9"}
    answer = served.server.post(body, headers)
    assert (answer.status, answer.content_type) == (200, "application/json")


BAD = [
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"[" * 1000, "application/json"),
    (b"[" * 900 + b"1" + b"]" * 900, "application/json"),
    (b'{"nobody": 1}', "application/json"),
    (b'[["text"]]', "application/json"),
    (b"[[1, 2, 3, 4, 5, 6, 7]]", "application/json"),
    (b"1,2\n3", "text/csv"),
    (b"not an array", "application/x-npy"),
    (b"PK\x03\x04", "application/x-npz"),
    (b"x", "image/png"),
    (b" " * 7_000_000, "application/json"),
]


def test_200_bad_requests_among_200_good_ones_change_nothing(running: Running) -> None:
    served, kind, _ = running
    ours = "npz" in served.forms
    for index in range(200):
        body, content_type = BAD[index % len(BAD)]
        # Too much is refused while it is being sent: a few are enough, and the rest stay quick.
        status, text = post_alone(served.server.port, body if index < 24 else body[:10_000], content_type)
        assert status >= 400
        if ours:
            assert 400 <= status < 500, (content_type, body[:40], text[:300])
        inputs = draw_inputs(kind, 1, seed=index)
        answer = served.ask(inputs, served.forms[index % len(served.forms)])
        for name, expected in right_outputs(kind, inputs).items():
            np.testing.assert_allclose(answer[name], expected, atol=1e-5)
    assert served.server.process.poll() is None


def post_alone(port: int, body: bytes, content_type: str) -> tuple[int, str]:
    """A request on a connection of its own; 413 where the server closes it while the body is being sent."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": content_type, "Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (BrokenPipeError, ConnectionResetError):
        return 413, ""
    finally:
        connection.close()


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
    import onnx
    from onnx import numpy_helper

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
    import subprocess
    import sys
    import time

    import psutil

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
    assert psutil.pid_exists(group) is False


def members(group: int) -> list[int]:
    import os

    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def test_every_toolkit_serves_a_container_that_there_is() -> None:
    from optimize.stages import bundles

    assert {name for toolkit in TOOLKITS.values() for name in toolkit.containers} <= bundles().keys()
    assert json.dumps([toolkit.requirements for toolkit in TOOLKITS.values()])
