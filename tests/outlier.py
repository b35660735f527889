"""A CNN one of whose channels is 100 times the others: int8 activations with one scale per tensor lose all the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

OUTLIER = 100.0


def write_outlier_cnn(path: Path, seed: int = 0) -> None:
    """x: float32[batch, 3, 12, 12] -> logits: float32[batch, 4]. `second` reads the tensor with the large channel."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    weights = {"w1": drawn(16, 3, 3, 3), "w2": drawn(16, 16, 3, 3), "w3": drawn(16, 16, 3, 3), "w4": drawn(4, 16)}
    weights["w1"][0] *= OUTLIER
    weights["w2"][:, 0] /= OUTLIER
    weights["b4"] = np.zeros(4, np.float32)

    def conv(index: int, source: str, name: str) -> list[onnx.NodeProto]:
        return [
            helper.make_node("Conv", [source, f"w{index}"], [f"c{index}"], name, pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{index}"], [f"r{index}"], f"{name}_relu"),
        ]

    nodes = [
        *conv(1, "x", "first"), *conv(2, "r1", "second"), *conv(3, "r2", "third"),
        helper.make_node("GlobalAveragePool", ["r3"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "w4", "b4"], ["logits"], "head", transB=1),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "outlier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 12, 12])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
