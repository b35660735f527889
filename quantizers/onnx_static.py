"""Static int8 in ONNX Runtime: quantize/dequantize pairs around the products that gain.

Attention's products of two activations stay in float, and so does the last matrix product: its clipped range dominated
the drift of classifiers (max abs 3.1 with it, 0.2 without, on the digits CNN).
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.quantizers.onnx_tools.graph import load_prepared, save
from optimize.quantizers.onnx_tools.qdq import Options, chosen_nodes, write_pairs
from optimize.quantizers.onnx_tools.remarks import remarks

reads = "onnx"
makes = "onnx"
REMEDIES = ({"calibration": "moving_average"}, {"calibration": "percentile"}, {"calibration": "entropy"})
"""From the cheapest to the dearest; each cuts more off the ranges than the one before."""
method = Method("static", precision="int8", calibrated=True, options=Options, targeted=True, remedies=REMEDIES)
libraries = ("onnx", "onnxruntime")
BATCH = 8


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    prepared = load_prepared(model, output)
    nodes, _ = chosen_nodes(prepared.graph, task.options)
    quantized, kept = write_pairs(prepared, task, whole_batches(model.signature, task.rows, BATCH), output.parent)
    save(quantized, model, output)
    return Made(words(task, kept), remarks(prepared, nodes, task, output))


def words(task: Task, kept: list[str]) -> str:
    options: Options = task.options
    channels = "per channel" if options.per_channel else "per tensor"
    found = f"{options.percentile:g} percentile" if options.calibration == "percentile" else options.calibration
    in_float = f"; in float: {', '.join(kept)}" if kept else ""
    return f"ONNX Runtime QDQ {channels}, {found.replace('_', ' ')} over {len(task.rows)} rows{in_float}"
