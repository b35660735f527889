"""Tars as they are, in multi-model mode of the real toolkits: loaded, asked, refused, unloaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from optimize.bundles.inspection import Unpacked, unpack_bundle
from optimize.bundles.served import Served, load_model
from optimize.bundles.server import Server, serve, wait_for_ping
from optimize.bundles.toolkits import toolkit_for
from optimize.errors import ToolError
from tests.bundles.cases import boot_request, draw_inputs, right_outputs
from tests.bundles.conftest import Carry

pytestmark = pytest.mark.slow

LOADED = {
    "pytorch": {
        "onnx": "several", "torchscript": "several", "openvino": "single", "litert": "several",
        "exported_program": "several", "aotinductor": "single",
    },
    "huggingface": {
        "torchscript": "single", "onnx": "single", "openvino": "single", "litert": "several",
        "exported_program": "several", "aotinductor": "single",
    },
    "multi-model-server": {"onnx": "several", "openvino": "single", "litert": "several"},
}  # fmt: skip
"""By container, every format with the kind of its model."""

Running = tuple[Server, dict[str, Unpacked], Path]


@pytest.fixture(scope="module", params=LOADED)
def running(
    request: pytest.FixtureRequest, emitted: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The platform unpacks each tar into /opt/ml/models/NAME/model before it asks the container to load it."""
    base = tmp_path_factory.mktemp("m")
    bundles = {
        format: unpack_bundle(emitted(format, kind, request.param), base / "models" / format / "model")
        for format, kind in LOADED[request.param].items()
    }
    toolkit = toolkit_for(request.param)
    assert toolkit is not None
    with serve(toolkit, base, multi_model=True) as server:
        wait_for_ping(server)
        yield server, bundles, base / "models"


def test_every_format_is_loaded_beside_the_others_asked_in_every_form_and_unloaded(running: Running) -> None:
    server, bundles, models = running
    container = next(iter(bundles.values())).container
    for format in bundles:
        load_model(server, format, models / format / "model")
    for format, bundle in bundles.items():
        server.invocations = f"/models/{format}/invoke"
        served = Served(server, "", bundle)
        inputs = draw_inputs(LOADED[container][format], 3)
        for form in served.forms:
            answer = served.ask(inputs, form)
            for name, expected in right_outputs(LOADED[container][format], inputs).items():
                np.testing.assert_allclose(answer[name], expected, atol=1e-5, err_msg=f"{format} in {form}")
        assert refused(server).status == 400
        with pytest.raises(ToolError, match="HTTP 409"):
            load_model(server, format, models / format / "model")
        assert server.request("DELETE", f"/models/{format}", None, {}).status == 200


def refused(server: Server):
    return server.post(json.dumps({"nobody": 1}).encode(), {"Content-Type": "application/json"})


def test_where_no_server_can_be_started_the_boot_says_that_the_layout_alone_was_checked(
    emitted: Callable[..., Path], golden: Callable[[str], Path], carry_out: Carry
) -> None:
    result, _ = carry_out(boot_request(emitted("onnx", "single", "triton"), golden("single"), multi_model=True))
    assert result["state"] == "ok", result
    assert result["payload"]["problems"] == []
    assert result["payload"]["instead"].endswith("; of a multi-model endpoint the layout alone was checked")
