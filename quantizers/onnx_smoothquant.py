"""Static int8 in ONNX Runtime after SmoothQuant: the outliers of activations are moved into the weights first.

It helps where single channels of a tensor are far larger than the rest, which per-tensor scales of activations cannot
follow; elsewhere it costs multiplications and gains nothing. neural-compressor's implementation on ONNX, which ONNX
Runtime would call, is gone from its release 3.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from optimize.artifact import Artifact, Made
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.quantizers.onnx_static import BATCH, words
from optimize.quantizers.onnx_tools.graph import load_prepared, save
from optimize.quantizers.onnx_tools.qdq import Options as StaticOptions
from optimize.quantizers.onnx_tools.qdq import chosen_nodes, write_pairs
from optimize.quantizers.onnx_tools.remarks import remarks
from optimize.quantizers.onnx_tools.smoothing import smooth


class Options(StaticOptions):
    """Of SmoothQuant, and of the static int8 that follows."""

    alpha: float = Field(default=0.5, ge=0, le=1)
    """The share of the outliers that goes into the weights."""


reads = "onnx"
makes = "onnx"
REMEDIES = ({"alpha": 0.75}, {"calibration": "percentile"})
method = Method("smoothquant", precision="int8", calibrated=True, options=Options, targeted=True, remedies=REMEDIES)
libraries = ("onnx", "onnxruntime")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    prepared = load_prepared(model, output)
    batches = whole_batches(model.signature, task.rows, BATCH)
    nodes, _ = chosen_nodes(prepared.graph, task.options)
    done = smooth(prepared, nodes, batches, task.options.alpha, output.parent)
    nodes, _ = chosen_nodes(prepared.graph, task.options)
    quantized, kept = write_pairs(prepared, task, batches, output.parent)
    save(quantized, model, output)
    how = f"smoothed by {done.folded} layers before and {done.inserted} multiplications, alpha {task.options.alpha:g}"
    return Made(f"{how}; {words(task, kept)}", remarks(prepared, nodes, task, output))
