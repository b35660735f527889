"""A graph that is run for what new nodes make of its tensors, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

LARGE = 4096
"""Bytes of a tensor from which on it is left on disk."""


def open_augmented(model: Any, made: Sequence[Any], kept: Sequence[str], folder: Path) -> Any:
    """A session of the graph with the nodes `made`, giving the tensors `kept`. Its files in `folder` go again."""
    import onnx
    import onnxruntime

    path = folder / "augmented.onnx"
    augmented = _without_weights(model, folder / "augmented.data")
    _put_beside(augmented.graph, made)
    augmented.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in kept)
    onnx.save(augmented, path)
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False  # It keeps what the largest batch took.
    # By default the new nodes run last, and in the layout of the highest level as well: until then every tensor of the
    # batch is alive (ResNet-50 at batch 8: 860 MB against 100, ONNX Runtime 1.32).
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for left in folder.glob("augmented.*"):
        left.unlink()
    return session


def _without_weights(model: Any, data: Path) -> Any:
    """A copy of the graph, without its outputs, whose large tensors lie in the file `data`: in memory they are once."""
    import onnx
    from onnx import numpy_helper
    from onnx.external_data_helper import set_external_data

    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    light.graph.name = model.graph.name
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    light.graph.value_info.extend(model.graph.value_info)
    light.graph.sparse_initializer.extend(model.graph.sparse_initializer)
    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.nbytes < LARGE or values.dtype == object:  # Text, which has no file of its own.
                light.graph.initializer.append(tensor)
                continue
            kept = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=b" ")
            set_external_data(kept, data.name, offset=file.tell(), length=values.nbytes)
            kept.ClearField("raw_data")
            file.write(values.tobytes())
            light.graph.initializer.append(kept)
    return light


def _put_beside(graph: Any, made: Sequence[Any]) -> None:
    """Each new node right after what makes the tensor it hangs on."""
    hang: dict[str, str] = {}
    behind: dict[str, list[Any]] = {}
    for node in made:
        on = next((hang.get(name, name) for name in node.input), "")
        hang |= dict.fromkeys(node.output, on)
        behind.setdefault(on, []).append(node)
    ordered = [node for name in ("", *(one.name for one in graph.input)) for node in behind.pop(name, [])]
    for node in graph.node:
        ordered += [node, *(new for name in node.output for new in behind.pop(name, []))]
    del graph.node[:]
    graph.node.extend(ordered)


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
