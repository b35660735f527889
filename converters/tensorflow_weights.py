"""The large weights of a TensorFlow function, kept out of its graph while that is converted.

tf2onnx freezes weights into the graph, which TensorFlow's passes and its own copy: products of 0.27 GB took 9.5 GB and
35 s, and take 0.43 GB and 2 s where they are kept out (tf2onnx 1.17). What is large becomes an input of the function,
and a constant again of what that is converted to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

LARGE_BYTES = 1_000_000
"""Smaller weights go through the conversion, which folds them into others."""
INLINE_BYTES = 256_000_000
"""Of weights, together: more go into a file beside the model's."""
CONVOLUTIONS = ("Conv2D", "Conv2DBackpropInput", "Conv3D", "DepthwiseConv2dNative")
"""Their kernels go through the conversion: it multiplies into them the scale of the normalization that follows, which a
session would else do each time that it opens (0.30 s for ResNet-50 instead of 0.23)."""
READS = ("ReadVariableOp", "ResourceGather")
"""What may read a weight that is kept out. One that a loop's or a branch's body reads goes through the conversion."""


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
    """Of the function, which takes `specs`, the weights of at least `LARGE_BYTES`."""
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    concrete = function.get_concrete_function()
    graph = convert_to_constants._run_inline_graph_optimization(concrete, False, True)
    held = dict(_held(concrete))
    _give_up(graph, held)
    _read_inputs(graph, {place: variable.dtype for place, variable in held.items()})
    prefix = "weight"
    while any(spec.name.startswith(prefix) for spec in specs):
        prefix += "_"
    kept = {f"{prefix}_{i}": variable for i, variable in enumerate(held.values())}
    both = [*specs, *(tf.TensorSpec(variable.shape, variable.dtype, name) for name, variable in kept.items())]
    taking = tf.function(_importing(graph, concrete, list(held)), both, autograph=False)
    everything = sum(map(_bytes, concrete.graph.variables))
    return Apart(taking, both, kept, everything - sum(map(_bytes, kept.values())))


def _bytes(variable: Any) -> int:
    return int(variable.shape.num_elements() * variable.dtype.size)


def _held(concrete: Any) -> Iterator[tuple[str, Any]]:
    """Placeholder of the graph to the variable that it stands for."""
    variables = {id(variable.handle): variable for variable in concrete.graph.variables}
    for outer, inner in concrete.graph.captures:
        variable = variables.get(id(outer))
        if variable is not None and _bytes(variable) >= LARGE_BYTES:
            yield inner.op.name, variable


def _give_up(graph: Any, held: dict[str, Any]) -> None:
    """Take out of `held` what something else than `READS` reads, and the kernels of convolutions."""
    source = _sources(graph)
    reads = {node.name: node.input[0] for node in graph.node if node.op in READS}
    for node in graph.node:
        tensors = [name for name in node.input if not name.startswith("^")]
        if node.op in CONVOLUTIONS:
            for name in tensors:
                held.pop(source(reads.get(source(name), "")), None)
        if node.op not in (*READS, "Identity"):
            for name in tensors:
                held.pop(source(name), None)


def _sources(graph: Any) -> Callable[[str], str]:
    """From the name of an input to the node that it comes from, past what only passes it on."""
    nodes = {node.name: node for node in graph.node}

    def source(name: str) -> str:
        name = name.partition(":")[0]
        node = nodes.get(name)
        return source(node.input[0]) if node is not None and node.op == "Identity" else name

    return source


def _read_inputs(graph: Any, held: Mapping[str, Any]) -> None:
    """Let the reads take a tensor where they took a variable."""
    source = _sources(graph)
    passing = [node for node in graph.node if node.op == "Identity" and source(node.name) in held]
    for node in passing:
        node.attr["T"].type = held[source(node.name)].as_datatype_enum
    for node in list(graph.node):
        place = source(node.input[0]) if node.op in READS else ""
        if place not in held:
            continue
        indices = node.attr["Tindices"].type
        rest = list(node.input)[1:]
        node.ClearField("attr")
        node.ClearField("input")
        if node.op == "ReadVariableOp":
            node.op = "Identity"
            node.input.extend([place, *rest])
            node.attr["T"].type = held[place].as_datatype_enum
        else:
            _gather(graph, node, [place, *rest], held[place], indices)
    for node in graph.node:
        if node.name in held:
            node.ClearField("attr")
            node.attr["dtype"].type = held[node.name].as_datatype_enum


def _gather(graph: Any, node: Any, inputs: list[str], dtype: Any, indices: int) -> None:
    import tensorflow as tf

    axis = graph.node.add(name=f"{node.name}/axis", op="Const")
    axis.attr["dtype"].type = tf.int32.as_datatype_enum
    axis.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0, tf.int32))
    node.op = "GatherV2"
    node.input.extend([*inputs[:2], axis.name, *inputs[2:]])
    node.attr["Tparams"].type, node.attr["Tindices"].type = dtype.as_datatype_enum, indices
    node.attr["Taxis"].type = tf.int32.as_datatype_enum


def _importing(graph: Any, concrete: Any, held: list[str]) -> Any:
    import tensorflow as tf

    captures = [(outer, inner.op.name) for outer, inner in concrete.graph.captures if inner.op.name not in held]
    handles = {id(outer) for outer, _ in captures}
    others = [variable for variable in concrete.graph.variables if id(variable.handle) in handles]
    inputs = [t.op.name for t in concrete.inputs if t.op.name not in {*held, *(name for _, name in captures)}]
    outputs = [tensor.name for tensor in concrete.outputs]

    def imported(*tensors: Any) -> Any:
        here = tf.compat.v1.get_default_graph()
        for variable in others:
            here.watch_variable(variable)  # What is frozen is what a graph knows for its variables.
        given = dict(zip([*inputs, *held], tensors, strict=True))
        given |= {name: here.capture(outer) for outer, name in captures}
        return tf.import_graph_def(graph, {f"{name}:0": value for name, value in given.items()}, outputs, "model")

    return imported


def put_back(model: Any, weights: Mapping[str, Any], path: Path) -> None:
    """Save the ONNX model, whose inputs the weights still are, with them as constants."""
    import onnx

    read: dict[str, Read] = {name: variable.numpy for name, variable in weights.items()}
    _fold(model.graph, read)
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if sum(map(_bytes, weights.values())) > INLINE_BYTES:
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
