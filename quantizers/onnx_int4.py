"""Weights of matrix products in 4 bits, computed in float: for models that the memory's speed bounds."""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.methods import Method, Task
from optimize.quantizers.onnx_tools.blocks import Options, quantize_blocks

reads = "onnx"
makes = "onnx"
method = Method("int4", precision="int4", options=Options, remedies=({"block_size": 16, "symmetric": False},))
libraries = ("onnx", "onnxruntime")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    return quantize_blocks(model, task, output, bits=4)
