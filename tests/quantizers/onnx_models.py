"""Graphs that the tests of the methods on ONNX quantize, and one call of a method."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from optimize.artifact import Artifact, Made
from optimize.methods import Task
from optimize.samples import Samples
from optimize.signature import Signature, TensorSpec

X = TensorSpec("x", "float32", ("batch", 3, 12, 12))
LOUD = 5
"""The channel that is 100 times the others in the outlier CNN."""


def write_cnn(path: Path, outlier: bool = False, opset: int = 17) -> None:
    """x: float32[batch, 3, 12, 12] -> y: float32[batch, 10]: two convolutions, pooled, and a Gemm."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((16, 3, 3, 3)) / 5, "b1": rng.standard_normal(16) / 9,
        "w2": rng.standard_normal((16, 16, 3, 3)) / 12, "b2": rng.standard_normal(16) / 9,
        "w3": rng.standard_normal((10, 16)) / 4, "b3": np.zeros(10),
    }  # fmt: skip
    if outlier:
        weights["w1"][LOUD] *= 100
        weights["b1"][LOUD] *= 100
        weights["w2"][:, LOUD] /= 100
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "/first/Conv"),
        helper.make_node("Relu", ["c1"], ["r1"], "/first/Relu"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "/second/Conv"),
        helper.make_node("Relu", ["c2"], ["r2"], "/second/Relu"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], "/pool"),
        helper.make_node("Flatten", ["p"], ["f"], "/flat"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "/fc/Gemm", transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "cnn", [value("x", TensorProto.FLOAT, ["batch", 3, 12, 12])],
        [value("y", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), path)


def rows(count: int, seed: int = 1) -> Samples:
    return Samples({"x": np.random.default_rng(seed).standard_normal((count, 3, 12, 12)).astype(np.float32)})


def quantize(
    module: ModuleType, folder: Path, signature: Signature, data: Samples | None, output: Path,
    isa: Iterable[str] = ("avx2", "avx512", "vnni"), **options: Any,
) -> Made:  # fmt: skip
    """`folder` holds model.onnx; the result lies in `output`/files."""
    (output / "files").mkdir(parents=True)
    task = Task(module.method.options(**options), data, {}, frozenset(isa), "x86_64")
    made: Made = module.quantize(Artifact(folder, "onnx", "none", signature), task, output / "files")
    return made


def answers(model: Path, inputs: dict[str, Any]) -> np.ndarray[Any, Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    first: np.ndarray[Any, Any] = session.run(None, inputs)[0]
    return first


def cosine(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
