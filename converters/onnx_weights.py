"""The large weights of a TensorFlow function, kept out of its graph while that is converted to ONNX.

tf2onnx freezes weights into the graph, which TensorFlow's passes and its own copy: products of 0.27 GB took 9.5 GB and
35 s, and take 0.43 GB and 2 s where they are kept out (tf2onnx 1.17). What is large becomes an input of the function,
and a constant again of what that is converted to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from optimize.converters.tensorflow_weights import READS, bytes_of, importing, inlined, large, let_gather, sources

INLINE_BYTES = 256_000_000
"""Of weights, together: more go into a file beside the model's."""
CONVOLUTIONS = ("Conv2D", "Conv2DBackpropInput", "Conv3D", "DepthwiseConv2dNative")
"""Their kernels go through the conversion: it multiplies into them the scale of the normalization that follows, which a
session would else do each time that it opens (0.30 s for ResNet-50 instead of 0.23)."""


Read = Callable[[], Any]
"""Gives an array, which is held by nobody else."""


@dataclass(frozen=True)
class Apart:
    """`function` takes what `specs` say: the inputs by position, then the `weights`, variables by their names there.

    `rest_bytes` are of the weights that go through the conversion.
    """

    function: Any
    specs: list[Any]
    weights: Mapping[str, Any]
    rest_bytes: int


def keep_apart(function: Any, specs: list[Any]) -> Apart:
    """Of the function, which takes `specs`, the large weights."""
    import tensorflow as tf

    concrete = function.get_concrete_function()
    graph = inlined(concrete)
    held = large(concrete)
    _give_up(graph, held)
    _read_inputs(graph, {place: variable.dtype for place, variable in held.items()})
    prefix = "weight"
    while any(spec.name.startswith(prefix) for spec in specs):
        prefix += "_"
    kept = {f"{prefix}_{i}": variable for i, variable in enumerate(held.values())}
    both = [*specs, *(tf.TensorSpec(variable.shape, variable.dtype, name) for name, variable in kept.items())]
    taking = tf.function(importing(graph, concrete, held, list(held)), both, autograph=False)
    everything = sum(map(bytes_of, concrete.graph.variables))
    return Apart(taking, both, kept, everything - sum(map(bytes_of, kept.values())))


def _give_up(graph: Any, held: dict[str, Any]) -> None:
    """Take out of `held` what something else than `READS` reads, as a loop's or a branch's body, and the kernels of
    convolutions."""
    source = sources(graph)
    reads = {node.name: node.input[0] for node in graph.node if node.op in READS}
    for node in graph.node:
        tensors = [name for name in node.input if not name.startswith("^")]
        if node.op in CONVOLUTIONS:
            for name in tensors:
                held.pop(source(reads.get(source(name), "")), None)
        if node.op not in (*READS, "Identity"):
            for name in tensors:
                held.pop(source(name), None)


def _read_inputs(graph: Any, held: Mapping[str, Any]) -> None:
    """Let the reads take a tensor where they took a variable."""
    source = sources(graph)
    passing = [node for node in graph.node if node.op == "Identity" and source(node.name) in held]
    for node in passing:
        node.attr["T"].type = held[source(node.name)].as_datatype_enum
    for node in list(graph.node):
        place = source(node.input[0]) if node.op in READS else ""
        if place not in held:
            continue
        if node.op == "ReadVariableOp":
            rest = list(node.input)[1:]
            node.ClearField("attr")
            node.ClearField("input")
            node.op = "Identity"
            node.input.extend([place, *rest])
            node.attr["T"].type = held[place].as_datatype_enum
        else:
            let_gather(graph, node, place, held[place])
    for node in graph.node:
        if node.name in held:
            node.ClearField("attr")
            node.attr["dtype"].type = held[node.name].as_datatype_enum


def put_back(model: Any, weights: Mapping[str, Any], path: Path) -> None:
    """Save the ONNX model, whose inputs the weights still are, with them as constants."""
    import onnx

    read: dict[str, Read] = {name: variable.numpy for name, variable in weights.items()}
    _fold(model.graph, read)
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if sum(map(bytes_of, weights.values())) > INLINE_BYTES:
        _write_beside(model.graph, read, path.with_name(f"{path.name}.data"))
    else:
        model.graph.initializer.extend(onnx.numpy_helper.from_array(array(), name) for name, array in read.items())
    onnx.save(model, path)


def _fold(graph: Any, read: dict[str, Read]) -> None:
    """What only turns a weight is done to it."""
    for node in list(graph.node):
        if node.op_type not in ("Identity", "Transpose") or node.input[0] not in read:
            continue
        array = read[node.input[0]]
        order = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
        turns = node.op_type == "Transpose"
        read[node.output[0]] = partial(_turned, array, order) if turns else array
        graph.node.remove(node)
    wanted = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for name in [name for name in read if name not in wanted]:
        del read[name]


def _turned(array: Read, order: list[int] | None) -> Any:
    return array().transpose(order)


def _write_beside(graph: Any, read: Mapping[str, Read], path: Path) -> None:
    """One at a time: nothing holds them all once more."""
    with path.open("wb") as file:
        for name, array in read.items():
            graph.initializer.append(_written(name, array(), file, path.name))


def _written(name: str, array: Any, file: Any, location: str) -> Any:
    import numpy as np
    import onnx

    start = file.tell()
    np.ascontiguousarray(array).tofile(file)
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=array.shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", start), ("length", file.tell() - start)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
