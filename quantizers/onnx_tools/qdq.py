"""Quantize/dequantize pairs written into an ONNX graph, for ranges that were found on real rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from optimize.errors import Unsupported
from optimize.methods import Task
from optimize.quantizers.onnx_tools.graph import check_names, constants, weighted
from optimize.quantizers.onnx_tools.ranges import Ranges, find_ranges
from optimize.samples import Batches
from optimize.sections import Section

PRODUCTS = ("Conv", "MatMul", "Gemm")
"""What gains by being computed in integers."""
ACTIVATIONS = ("Relu", "Clip")
"""What disappears into the range of the product before it. Left out, its steps to integers and back stay unfused."""


class Options(Section):
    """Of static int8 in ONNX Runtime."""

    calibration: Literal["minmax", "moving_average", "percentile", "entropy"] = "minmax"
    """How an activation's range is found: its extremes, the mean of the batches' extremes, all but the outermost
    values, or the least loss of information."""
    percentile: float = Field(default=99.99, gt=50, le=100)
    """Of `calibration: percentile`: the share that is inside at either end."""
    per_channel: bool = True
    """One scale per output channel of the weights."""
    symmetric: bool = False
    """Activations around zero in int8, else from lowest to highest in uint8."""
    reduce_range: bool | None = None
    """Weights in 7 bits. By default where the target is x86 without VNNI, whose products of 8 bits saturate."""
    operators: tuple[str, ...] = (*PRODUCTS, *ACTIVATIONS)
    """Kinds of nodes that are quantized."""
    exclude: tuple[str, ...] = ()
    """Names of nodes that stay in float."""
    keep_last: bool = True
    """The last matrix product stays in float: its clipped range dominates the drift of classifiers."""
    product_outputs: bool | None = None
    """Also quantize what matrix products give, and not only what they take: by default where there is no attention,
    which does not bear it."""


def write_pairs(model: Any, task: Task, batches: Batches, folder: Path) -> tuple[Any, list[str]]:
    """The quantized graph, and the names of the products that stay in float. Raises Unsupported and UserError."""
    options: Options = task.options
    nodes, kept = chosen_nodes(model.graph, options)
    tensors = tensors_of(model.graph, nodes)
    ranges = find_ranges(model, tensors, batches, options.calibration, options.percentile, folder)
    return quantized(model, nodes, ranges, options, reduced(options.reduce_range, task)), kept


def reduced(asked: bool | None, task: Task) -> bool:
    """Products of uint8 and int8 are summed in pairs in 16 bits on x86 without VNNI, which 8 bits overflow."""
    return asked if asked is not None else task.architecture == "x86_64" and "vnni" not in task.isa


def chosen_nodes(graph: Any, options: Options) -> tuple[list[Any], list[str]]:
    """Nodes to quantize, and names of those kept in float though their kind is asked for."""
    candidates = [node for node in graph.node if node.op_type in options.operators]
    check_names(options.exclude, [node.name for node in candidates], "node", "exclude")
    products = [node for node in candidates if node.op_type in PRODUCTS]
    with_weights = {node.name for node in weighted(graph, PRODUCTS)}
    kept = {node.name for node in products if node.name not in with_weights}
    last = [node.name for node in products if node.op_type != "Conv" and node.name not in kept]
    if options.keep_last and last and len(products) > 1:
        kept.add(last[-1])
    kept |= set(options.exclude)
    nodes = [node for node in candidates if node.name not in kept]
    if not any(node.op_type in PRODUCTS for node in nodes):
        raise Unsupported(f"the graph has no {', '.join(PRODUCTS)} with constant weights left to quantize")
    return nodes, [node.name for node in products if node.name in kept]


def has_attention(graph: Any) -> bool:
    """A softmax that a matrix product reads."""
    weights = {name for node in graph.node if node.op_type == "Softmax" for name in node.output}
    return any(weights & set(node.input) for node in graph.node if node.op_type == "MatMul")


def tensors_of(graph: Any, nodes: Sequence[Any]) -> list[str]:
    """Activations in float that the nodes take and give."""
    from onnx import TensorProto

    known = constants(graph)
    kinds = {one.name: one.type.tensor_type.elem_type for one in (*graph.value_info, *graph.input, *graph.output)}
    names = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output))
    return [n for n in names if n and n not in known and kinds.get(n, TensorProto.FLOAT) == TensorProto.FLOAT]


def quantized(model: Any, nodes: Sequence[Any], ranges: Ranges, options: Options, reduce_range: bool) -> Any:
    """By ONNX Runtime's writer of QDQ."""
    import numpy as np
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    found = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    kinds = sorted({node.op_type for node in nodes})
    outputs = options.product_outputs
    without = [] if (not has_attention(model.graph) if outputs is None else outputs) else ["MatMul", "Gemm"]
    quantizer = QDQQuantizer(
        model, options.per_channel, reduce_range, QuantType.QInt8,
        QuantType.QInt8 if options.symmetric else QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, found), [node.name for node in nodes], [], kinds,
        {"ActivationSymmetric": options.symmetric, "OpTypesToExcludeOutputQuantization": without},
    )  # fmt: skip
    quantizer.quantize_model()
    return quantizer.model.model
