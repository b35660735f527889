"""An ONNX file is of versions that the image reads: as its converter writes it, or brought down to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimize.converters.onnx_versions import bring_down
from optimize.errors import Unsupported
from optimize.execution.run import run
from optimize.pipeline.loading import load
from optimize.plan import make_plan
from tests.conftest import Project, onnx_answers

OLD = {"image": "sagemaker-tritonserver:23.12"}
"""Its ONNX Runtime 1.16.3 reads opset 19 and IR version 9."""
GELU = """
from torch import nn

def Net():
    return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3))
"""


def write_model(path: Path, operator: str, opset: int = 21) -> None:
    """x: float32[batch, 16] through the operator and a product; the weights lie beside the file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32), "w")
    nodes = [helper.make_node(operator, ["x"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["y"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 16]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "one", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)


def versions(path: Path) -> tuple[int, int]:
    from optimize.bundles.onnx_header import read_header

    header = read_header(path)
    return header.opset, header.ir


def test_an_operator_that_the_older_set_lacks_is_written_out_and_weights_beside_the_file_stay(tmp_path: Path) -> None:
    write_model(tmp_path / "model.onnx", "Gelu")
    x = np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32)
    before, weights = onnx_answers(tmp_path / "model.onnx", x), (tmp_path / "model.onnx.data").stat()
    assert bring_down(tmp_path / "model.onnx", 19, 9) == (21, 19)
    assert versions(tmp_path / "model.onnx") == (19, 9)
    assert (tmp_path / "model.onnx.data").stat() == weights
    np.testing.assert_allclose(onnx_answers(tmp_path / "model.onnx", x), before, rtol=1e-5, atol=1e-6)


def test_a_file_that_is_old_enough_is_left_as_it_is(tmp_path: Path) -> None:
    write_model(tmp_path / "model.onnx", "Relu", opset=17)
    before = (tmp_path / "model.onnx").read_bytes()
    assert bring_down(tmp_path / "model.onnx", 19, None) == (17, 17)
    assert (tmp_path / "model.onnx").read_bytes() == before


def test_an_operator_without_an_equal_in_the_older_set_is_named(tmp_path: Path) -> None:
    write_model(tmp_path / "model.onnx", "Trilu", opset=20)
    with pytest.raises(Unsupported, match=r"of opset 20, and may be of 13 at most .* of Trilu"):
        bring_down(tmp_path / "model.onnx", 13, None)


def limits(project: Project, **changes: Any) -> Any:
    return make_plan(load(project(**changes)).pipeline).steps["convert:onnx"].options


def test_the_bound_is_the_images_or_the_files_own_where_that_is_lower(onnx_project: Project) -> None:
    candidates = {"formats": ["openvino"], "quantization": ["dynamic"], "options": {"onnx-none": {"opset": 17}}}
    assert limits(onnx_project) == {"opset": None, "ir": None, "optimize": False}
    assert limits(onnx_project, bundle=OLD) == {"opset": 19, "ir": 9, "optimize": False}
    assert limits(onnx_project, bundle=OLD, candidates=candidates) == {"opset": 17, "ir": 9, "optimize": False}
    assert limits(onnx_project, bundle={"container": "triton"}) == {"opset": 25, "ir": 13, "optimize": False}
    assert limits(onnx_project, bundle={"image": "pytorch-inference:2.6.0"}) == {
        "opset": None,
        "ir": None,
        "optimize": False,
    }


def test_an_export_for_an_old_image_is_of_its_versions_and_right_and_none_is_taken_for_another(
    torch_project: Project,
) -> None:
    candidates = {"formats": ["onnx"], "quantization": ["none"]}
    path = torch_project(GELU, candidates=candidates)
    assert versions(exported(run(path, until="check"))) == (20, 10)
    again = run(torch_project(GELU, candidates=candidates, bundle=OLD), until="check")
    assert set(again.executed) == {"convert:onnx", "check:onnx-none"}
    assert [candidate.state for candidate in again.report.candidates] == ["ok"]
    assert versions(exported(again)) == (19, 9)


def exported(result: Any) -> Path:
    (step,) = (step for step in result.steps if step.step.name == "convert:onnx")
    return Path(step.made.files) / "model.onnx"
