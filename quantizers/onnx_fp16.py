"""Weights and arithmetic in float16, inputs and outputs as the signature has them: half the bytes.

ONNX Runtime has few float16 kernels for CPUs and turns the rest back into float32 at each step, so that it is seldom
faster there.
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.methods import Method, Task
from optimize.quantizers.onnx_tools.graph import load_prepared, save
from optimize.sections import Section


class Options(Section):
    """Of float16 in ONNX Runtime."""

    keep: tuple[str, ...] = ()
    """Kinds of nodes that stay in float32, besides those that have no float16."""


reads = "onnx"
makes = "onnx"
method = Method("fp16", precision="fp16", options=Options)
libraries = ("onnx", "onnxruntime")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    from onnx import TensorProto
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    prepared = load_prepared(model, output)
    blocked = [*DEFAULT_OP_BLOCK_LIST, *task.options.keep]
    halved = convert_float_to_float16(prepared, keep_io_types=True, op_block_list=blocked)
    count = sum(one.data_type == TensorProto.FLOAT16 for one in halved.graph.initializer)
    if not count:
        raise Unsupported("the graph has no weights in float32 that could be float16")
    save(halved, model, output)
    casts = sum(node.op_type == "Cast" for node in halved.graph.node)
    return Made(
        f"ONNX Runtime float16, {count} weights",
        (f"{casts} casts in the graph, and ONNX Runtime adds one wherever it has no float16 kernel for CPUs",),
    )
