"""Bundles on the real toolkits, over HTTP. `optimize boot --setup` has been run, and Java is there."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimize.bundles.inspection import unpack_bundle
from optimize.bundles.samples import Sample, ask_all, samples_of
from optimize.bundles.served import Served, open_served, start_figures
from optimize.bundles.server import LOOPBACK
from optimize.bundles.toolkits import TOOLKITS, toolkit_for, why_not
from optimize.pipeline.schema import Tolerances
from optimize.stages import bundles
from tests.bundles.cases import SIGNATURES, boot_request, draw_inputs, right_outputs

pytestmark = pytest.mark.slow

SERVED = [
    ("pytorch", "torchscript", "single"),
    ("huggingface", "onnx", "several"),
    ("multi-model-server", "onnx", "several"),
    ("multi-model-server", "openvino", "single"),
    ("multi-model-server", "litert", "several"),
]
"""What is not here is served in multi-model mode, several formats by one server: tests/bundles/test_multi_model.py."""
TO_ALL_BAD = SERVED[:3]
"""One of each toolkit; behind it the handler is the same."""


def outside() -> set[str]:
    """What a container's processes would write to, were they not told otherwise."""
    return {
        str(path) for folder in ("/etc", "/opt", "/opt/ml") if Path(folder).is_dir() for path in Path(folder).iterdir()
    }


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
    inputs, before = draw_inputs(kind, 2), outside()
    with open_served(toolkit, base, bundle) as served:
        start = start_figures(served, Sample("start", inputs, right_outputs(kind, inputs)), Tolerances().fp32)
        yield served, kind, dict(start)
    assert outside() == before


Running = tuple[Served, str, dict[str, Any]]


def test_the_golden_is_answered_right_in_every_form(running: Running, golden: Callable[[str], Path]) -> None:
    served, kind, start = running
    assert start["cold_start_s"] > 0
    meter = ask_all(served, samples_of(boot_request(Path(), golden(kind)), SIGNATURES[kind]), SIGNATURES[kind])
    assert meter.problems == []
    assert all(figures["max_abs"] < 1e-5 for figures in meter.figures().values())


def test_a_content_type_may_have_parameters_and_an_accept_may_be_a_list(running: Running) -> None:
    served, kind, _ = running
    body, _ = served.write(draw_inputs(kind, 1), "json named")
    accept = "text/html, application/json;q=0.9"
    answer = served.server.post(body, {"Content-Type": "application/json; charset=utf-8", "Accept": accept})
    # The Hugging Face toolkit names what was asked for, whatever the handler says.
    expected = accept if "huggingface" in served.how else "application/json"
    assert (answer.status, answer.content_type) == (200, expected)


BAD = [
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"\xff\xfe[[1]]", "application/json"),
    (b"1,2\xff", "text/csv"),
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


def test_200_bad_requests_among_200_good_ones_change_nothing(running: Running, request: pytest.FixtureRequest) -> None:
    served, kind, _ = running
    if request.node.callspec.params["running"] not in TO_ALL_BAD:
        pytest.skip("the bad requests have been sent to this toolkit with another format")
    for index in range(200):
        body, content_type = BAD[index % len(BAD)]
        # Too much is refused while it is being sent: a few are enough, and the rest stay quick.
        status, text = post_alone(served.server.port, body if index < 24 else body[:10_000], content_type)
        assert 400 <= status < 500, (content_type, body[:40], text[:300])
        inputs = draw_inputs(kind, 1, seed=index)
        answer = served.ask(inputs, served.forms[index % len(served.forms)])
        for name, expected in right_outputs(kind, inputs).items():
            np.testing.assert_allclose(answer[name], expected, atol=1e-5)
    assert served.server.process.poll() is None
    # CloudWatch's lines; a worker's output is the server's log where nothing else is said.
    for name in ("LoadTime", "ModelLatency"):
        assert f'"Metrics": [{{"Name": "{name}", "Unit": "Milliseconds"}}]' in served.server.log().replace('\\"', '"')


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


def test_every_toolkit_serves_a_container_that_there_is() -> None:
    assert {name for toolkit in TOOLKITS.values() for name in toolkit.containers} <= bundles().keys()
