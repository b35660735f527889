"""A graph that is run for what new nodes make of its tensors, and for nothing else."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def open_augmented(model: Any, made: Sequence[Any], kept: Sequence[str], folder: Path) -> Any:
    """A session of the graph with the nodes `made`, giving the tensors `kept`. Its files in `folder` go again."""
    import onnx
    import onnxruntime

    augmented = copy.deepcopy(model)
    augmented.graph.node.extend(made)
    del augmented.graph.output[:]
    augmented.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in kept)
    path = folder / "augmented.onnx"
    onnx.save_model(augmented, path, save_as_external_data=True, location="augmented.data")
    del augmented
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False  # It keeps what the largest batch took.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for left in folder.glob("augmented.*"):
        left.unlink()
    return session


def integers(name: str, values: Sequence[int]) -> Any:
    """A constant of int64."""
    import onnx
    from onnx import numpy_helper

    return onnx.helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(values, np.int64)))


def sample(tensor: str, index: int, step: int) -> list[Any]:
    """The tensor laid flat, every `step`th number of it; the last node's output has it."""
    import onnx

    values = {"flat": -1, "start": 0, "end": np.iinfo(np.int64).max, "axis": 0, "step": step}
    named = [integers(f"{key}_{index}_", [int(value)]) for key, value in values.items()]
    flat = onnx.helper.make_node("Reshape", [tensor, f"flat_{index}_"], [f"laid_{index}_"])
    ends = [f"{key}_{index}_" for key in ("start", "end", "axis", "step")]
    return [*named, flat, onnx.helper.make_node("Slice", [f"laid_{index}_", *ends], [f"Sample_{index}_"])]


def channel_maxima(model: Any, tensor: str, index: int, channels: int, second: bool) -> list[Any]:
    """Largest magnitude per channel, which is the tensor's second axis or its last."""
    import onnx

    make = onnx.helper.make_node
    shape = [0, channels, -1] if second else [-1, channels]
    axes = [0, 2] if second else [0]
    laid, size = f"laid_{index}_", f"shape_{index}_"
    first = [make("Abs", [tensor], [size + "a"]), integers(size, shape), make("Reshape", [size + "a", size], [laid])]
    output = [f"Channels_{index}_"]
    # Axes became an input with opset 18.
    if max(one.version for one in model.opset_import if one.domain in ("", "ai.onnx")) < 18:
        return [*first, make("ReduceMax", [laid], output, axes=axes, keepdims=0)]
    return [*first, integers(size + "x", axes), make("ReduceMax", [laid, size + "x"], output, keepdims=0)]
