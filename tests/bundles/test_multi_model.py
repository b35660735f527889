"""The PyTorch container's tars as they are, in multi-model mode of the real toolkit: loaded, asked, refused, unloaded."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from optimize.bundles.inspection import unpack_bundle
from optimize.bundles.server import LOOPBACK, Server, serve, wait_for_ping
from optimize.bundles.toolkits import TOOLKITS
from tests.bundles.cases import draw_inputs, right_outputs

pytestmark = pytest.mark.slow

FORMATS = ("onnx", "torchscript")


@pytest.fixture(scope="module")
def server(emitted: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """The platform unpacks each tar into /opt/ml/models/NAME/model before it asks the container to load it."""
    base = tmp_path_factory.mktemp("m")
    for format in FORMATS:
        (base / "models" / format).mkdir(parents=True)
        unpack_bundle(emitted(format, "single", "pytorch"), base / "models" / format / "model")
    with serve(TOOLKITS["torchserve"], base, multi_model=True) as server:
        wait_for_ping(server)
        yield server, base / "models"


@pytest.mark.parametrize("format", FORMATS)
def test_a_bundle_is_loaded_asked_and_unloaded(server: tuple[Server, Path], format: str) -> None:
    running, models = server
    load = json.dumps({"model_name": format, "url": str(models / format / "model")}).encode()
    inputs = draw_inputs("single", 2)
    assert ask(running, "POST", "/models", load)[0] == 200
    status, body = ask(running, "POST", f"/models/{format}/invoke", json.dumps(inputs["image"].tolist()).encode())
    assert status == 200
    np.testing.assert_allclose(json.loads(body), right_outputs("single", inputs)["logits"], atol=1e-5)
    assert ask(running, "POST", "/models", load)[0] == 409
    assert ask(running, "DELETE", f"/models/{format}")[0] == 200


def ask(server: Server, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=60)
    connection.request(method, path, body, {"Content-Type": "application/json", "Accept": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()
