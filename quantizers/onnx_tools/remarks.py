"""Why int8 may not pay in a graph: what ONNX Runtime makes of it, the target, the size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optimize.methods import Task
from optimize.quantizers.onnx_tools.graph import FILE, constants, weight_count

SMALL = 200_000
"""Weights below which a product takes no longer than quantizing what goes into it (digits CNN, ONNX Runtime 1.32)."""


def remarks(original: Any, nodes: Sequence[Any], task: Task, output: Path) -> tuple[str, ...]:
    """`original` is the graph before it was quantized, `nodes` what was quantized of it."""
    said = [unfused(output), no_vnni(task), too_small(weight_count(original.graph, nodes))]
    return tuple(remark for remark in said if remark)


def unfused(output: Path) -> str:
    """Counted in the graph that ONNX Runtime runs, after its own fusions."""
    graph = _optimized(output)
    known = constants(graph)
    quantize = sum(node.op_type == "QuantizeLinear" for node in graph.node)
    dequantize = sum(node.op_type == "DequantizeLinear" and node.input[0] not in known for node in graph.node)
    integer = sum(is_integer(node.op_type) for node in graph.node)
    text = f"ONNX Runtime runs {integer} operators in integers, with {quantize} steps to integers and {dequantize} back"
    left = max(0, min(quantize, dequantize) - 1)
    return f"{text}: {left} quantize/dequantize pairs stay unfused, each a pass over its tensor" if left else text


def is_integer(kind: str) -> bool:
    return kind.startswith("QLinear") or kind in (
        "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "QGemm", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
        "QAttention", "MatMulNBits",
    )  # fmt: skip


def _optimized(output: Path) -> Any:
    import onnx
    import onnxruntime

    optimized = output.parent / "optimized.onnx"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(optimized)
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(str(output / FILE), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(optimized, load_external_data=False).graph
    for left in optimized.parent.glob("optimized.onnx*"):
        left.unlink()
    return graph


def no_vnni(task: Task) -> str:
    if task.architecture != "x86_64" or "vnni" in task.isa:
        return ""
    return "the target has no VNNI: integers are multiplied in three instructions instead of one, and gain little"


def too_small(weights: int) -> str:
    if weights >= SMALL:
        return ""
    return f"{weights:,} weights are quantized: at this size turning activations into integers can cost what it saves"
