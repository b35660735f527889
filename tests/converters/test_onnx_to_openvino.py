"""OpenVINO's CPU plug-in computes int64 in 32 bits: what that would change is refused, and the rest is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimize.artifact import Artifact
from optimize.converters import onnx_to_openvino
from optimize.errors import Unsupported
from optimize.signature import Signature, TensorSpec

IDS = Signature((TensorSpec("x", "int64", ("batch", 2)),), (TensorSpec("y", "int64", ("batch", 1)),))


def model(folder: Path, added: int) -> Artifact:
    """y = x[:, 1:] + added, where the slice goes to the end, which ONNX writes as the largest int64."""
    weights: dict[str, Any] = {"added": [added], "start": [1], "end": [2**63 - 1], "axis": [1]}
    nodes = [
        helper.make_node("Slice", ["x", "start", "end", "axis"], ["part"]),
        helper.make_node("Add", ["part", "added"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, ["batch", 1])],
        [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in weights.items()],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    return Artifact(folder, "onnx", "none", IDS)


def test_a_number_that_32_bits_do_not_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="in 32 bits, and the model holds 3000000000"):
        onnx_to_openvino.convert(model(tmp_path, 3_000_000_000), {}, tmp_path)


def test_int64_inputs_are_told_of_and_the_end_of_a_slice_is_no_number(tmp_path: Path) -> None:
    made = onnx_to_openvino.convert(model(tmp_path, 3), {}, tmp_path)
    assert made.notes == ("computes whole numbers in 32 bits: x, y must stay within ±2147483647",)
