"""What dynamic int8 in ONNX Runtime quantizes, and how: laws that the latency of its operators gave."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.methods import Task
from optimize.quantizers import onnx_dynamic, onnx_optimum
from optimize.signature import Signature


def constant(name, *shape):
    return numpy_helper.from_array(np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32), name)


def save(folder: Path, nodes, weights, inputs: tuple, outputs: tuple) -> Artifact:
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)]
    graph = helper.make_graph(
        nodes, "graph", values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)], weights
    )
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "in/model.onnx"
    )
    return Artifact(folder / "in", "onnx", "none", Signature(()))


def save_products(folder: Path, widths) -> Artifact:
    return save(folder, *products(widths), ("batch", widths[0]), ("batch", widths[-1]))


def quantized(folder: Path, nodes, weights, inputs: tuple, outputs: tuple):
    """The graph that the quantizer makes of these nodes."""
    artifact = save(folder, nodes, weights, inputs, outputs)
    onnx_dynamic.quantize(
        artifact, Task(onnx_dynamic.Options(), None, {}, frozenset({"avx512", "vnni"}), "x86_64"), folder / "out"
    )
    assert [path.name for path in (folder / "out").iterdir()] == ["model.onnx"]
    return onnx.load(folder / "out" / "model.onnx").graph


def products(widths):
    names = ["x", *(f"h{i}" for i in range(len(widths) - 2)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]], f"m{i}") for i in range(len(widths) - 1)]
    return nodes, [constant(f"w{i}", *shape) for i, shape in enumerate(pairwise(widths))]


@pytest.mark.parametrize(("widths", "floats"), [((64, 128, 10), 1), ((16, 32, 4), 0)])
def test_a_small_product_stays_in_float_where_there_is_a_larger_one(tmp_path: Path, widths, floats):
    graph = quantized(tmp_path, *products(widths), ("batch", widths[0]), ("batch", widths[-1]))
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("MatMul") == floats
    assert kinds.count("MatMulInteger") == 2 - floats


def test_a_recurrent_layer_has_one_scale_and_a_product_one_for_every_channel(tmp_path: Path):
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], "lstm", hidden_size=64)
    squeeze = helper.make_node("Squeeze", ["h", "axis"], ["s"], "squeeze")
    product = helper.make_node("MatMul", ["s", "p"], ["y"], "m")
    axis = numpy_helper.from_array(np.array([0], np.int64), "axis")
    weights = [constant("w", 1, 256, 32), constant("r", 1, 256, 64), constant("p", 64, 80), axis]
    graph = quantized(tmp_path, [lstm, squeeze, product], weights, ("sequence", "batch", 32), ("batch", 80))
    scales = {t.name: numpy_helper.to_array(t).size for t in graph.initializer if t.name.endswith("_scale")}
    assert {node.op_type for node in graph.node} >= {"DynamicQuantizeLSTM", "MatMulInteger"}
    assert scales["w_scale"] == scales["r_scale"] == 1
    assert scales["p_scale"] == 80


@pytest.mark.parametrize("begin", [0.0, 0.5])
def test_a_recurrent_layer_that_begins_at_zero_is_given_no_state(tmp_path: Path, begin):
    """As exporters write it, from the size of the batch; a state that is not zero stays."""
    value = numpy_helper.from_array(np.array([begin], np.float32))
    nodes = [
        helper.make_node("Shape", ["x"], ["batch"], start=1, end=2),
        helper.make_node("Concat", ["one", "batch", "width"], ["sizes"], axis=0),
        helper.make_node("ConstantOfShape", ["sizes"], ["filled"], value=value),
        helper.make_node("Slice", ["filled", "zero", "one", "zero"], ["state"]),
        helper.make_node("LSTM", ["x", "w", "r", "", "", "state", "state"], ["", "h"], "lstm", hidden_size=64),
        helper.make_node("Squeeze", ["h", "zero"], ["y"], "squeeze"),
    ]
    numbers = {"one": 1, "width": 64, "zero": 0}
    weights = [constant("w", 1, 256, 32), constant("r", 1, 256, 64)]
    weights += [numpy_helper.from_array(np.array([n], np.int64), name) for name, n in numbers.items()]
    graph = quantized(tmp_path, nodes, weights, ("sequence", "batch", 32), ("batch", 64))
    kinds = [node.op_type for node in graph.node]
    assert ("ConstantOfShape" in kinds) == bool(begin)
    (layer,) = [node for node in graph.node if node.op_type == "DynamicQuantizeLSTM"]
    assert [bool(name) for name in layer.input[5:7]] == [bool(begin)] * 2


@pytest.mark.parametrize(
    ("isa", "architecture", "preset"),
    [
        ({"avx2", "avx512", "vnni"}, "x86_64", "avx512_vnni"),
        ({"avx2", "avx512"}, "x86_64", "avx512"),
        ({"avx2"}, "x86_64", "avx2"),
        (set(), "aarch64", "arm64"),
    ],
)
def test_optimum_is_asked_for_the_preset_of_the_target(tmp_path: Path, isa: set[str], architecture: str, preset: str):
    pytest.importorskip("optimum.onnxruntime")
    model, output = save_products(tmp_path, (64, 128, 10)), tmp_path / "out"
    options = onnx_optimum.Options(exclude=("m1",))
    made = onnx_optimum.quantize(model, Task(options, None, {}, frozenset(isa), architecture), output)
    assert f"preset {preset}, dynamic, 1 integer operators" in made.method
    assert [path.name for path in output.iterdir()] == ["model.onnx"], "nothing is left beside it"
    weights = [
        numpy_helper.to_array(t) for t in onnx.load(output / "model.onnx").graph.initializer if t.dims == [64, 128]
    ]
    assert {w.dtype.name for w in weights} == {"uint8" if preset == "avx2" else "int8"}
    if preset == "avx512":
        assert np.abs(weights).max() < 65, "in 7 bits, since products of 8 saturate"


def test_optimum_says_which_node_it_does_not_find(tmp_path: Path):
    pytest.importorskip("optimum.onnxruntime")
    model = save_products(tmp_path, (64, 128))
    with pytest.raises(UserError, match="no node 'm7'; the nearest are m0"):
        onnx_optimum.quantize(model, Task(onnx_optimum.Options(exclude=("m7",)), None, {}), tmp_path / "out")
