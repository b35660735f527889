"""Static int8 in ONNX Runtime: quantize/dequantize pairs around the operators that gain, per channel, min-max.

The last matrix product stays in float: its clipped range dominated the drift of classifiers (max abs 3.1 with it, 0.2
without, on the digits CNN). Attention's products of two activations stay in float too. Min-max keeps two numbers per
tensor and batch. Its option CalibMaxIntermediateOutputs is left alone: it throws away every full buffer unread (ONNX
Runtime 1.32), so that only the last batches calibrate.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported, UserError
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.quantizers.onnx_dynamic import prepare
from optimize.samples import Rows
from optimize.sections import Section
from optimize.signature import Signature

reads = "onnx"
makes = "onnx"


class Options(Section):
    """Of static int8 in ONNX Runtime."""

    per_channel: bool = True
    """One scale per output channel of the weights."""
    exclude: tuple[str, ...] = ()
    """Names of nodes that stay in float, besides the last matrix product."""


method = Method("static", precision="int8", calibrated=True, options=Options)
libraries = ("onnx", "onnxruntime")
FILE = "model.onnx"
OPERATORS = ("Conv", "MatMul", "Gemm")
BATCH = 8


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    prepared = prepare(model.path / FILE, output)
    excluded = [*nodes_kept_in_float(prepared), *named_nodes(prepared, task.options.exclude)]
    reader = _Reader(model.signature, task.rows)
    quantize_static(
        prepared, output / FILE, reader, quant_format=QuantFormat.QDQ, op_types_to_quantize=list(OPERATORS),
        per_channel=task.options.per_channel, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        nodes_to_exclude=excluded, calibrate_method=CalibrationMethod.MinMax,
        use_external_data_format=any(model.path.glob("*.data")), extra_options={"CalibTensorRangeSymmetric": False},
    )  # fmt: skip
    prepared.unlink()
    kept = f"; in float: {', '.join(excluded)}" if excluded else ""
    return Made(f"ONNX Runtime QDQ per channel, min-max over {len(task.rows)} rows{kept}")


def nodes_kept_in_float(path: Path) -> list[str]:
    """Raises Unsupported where nothing is left to quantize."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    candidates = [node for node in graph.node if node.op_type in OPERATORS]
    products = [node for node in candidates if node.op_type != "Conv"]
    excluded = [node.name for node in products if not constants & set(node.input)]
    if products and len(candidates) > 1 and products[-1].name not in excluded:
        excluded.append(products[-1].name)
    if len(excluded) == len(candidates):
        raise Unsupported(f"the graph has no {', '.join(OPERATORS)} with constant weights to quantize")
    return excluded


def named_nodes(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """As given. Raises UserError for one the graph does not have."""
    import onnx

    known = [node.name for node in onnx.load(path, load_external_data=False).graph.node if node.op_type in OPERATORS]
    for name in names:
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, 3, cutoff=0.4)) or ", ".join(known[:5])
            raise UserError(f"exclude: the graph has no node {name!r}; the nearest are {near}", "candidates.options")
    return names


class _Reader:
    """Calibration rows, one batch at a time."""

    def __init__(self, signature: Signature, calibration: Rows) -> None:
        self._batches: Iterator[dict[str, Any]] = iter(whole_batches(signature, calibration, BATCH))

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)

    def __len__(self) -> int:
        raise TypeError("the reader streams")
