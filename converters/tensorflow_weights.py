"""The large weights of a TensorFlow function's graph: which they are, and the graph without them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

LARGE_BYTES = 1_000_000
"""Smaller weights go through a conversion, which folds them into others."""
READS = ("ReadVariableOp", "ResourceGather")


def bytes_of(variable: Any) -> int:
    return int(variable.shape.num_elements() * variable.dtype.size)


def inlined(concrete: Any) -> Any:
    """The graph, with what its functions call in it. Loops and branches keep their bodies."""
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants._run_inline_graph_optimization(concrete, False, True)


def large(concrete: Any) -> dict[str, Any]:
    """Placeholder of the graph to the variable of at least `LARGE_BYTES` that it stands for."""
    variables = {id(variable.handle): variable for variable in concrete.graph.variables}
    captures = ((inner.op.name, variables.get(id(outer))) for outer, inner in concrete.graph.captures)
    return {name: one for name, one in captures if one is not None and bytes_of(one) >= LARGE_BYTES}


def sources(graph: Any) -> Callable[[str], str]:
    """From the name of an input to the node that it comes from, past what only passes it on."""
    nodes = {node.name: node for node in graph.node}

    def source(name: str) -> str:
        name = name.partition(":")[0]
        node = nodes.get(name)
        return source(node.input[0]) if node is not None and node.op == "Identity" else name

    return source


def add_constant(graph: Any, name: str, value: Any) -> str:
    """A node of the array; gives its name."""
    import tensorflow as tf

    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return str(node.name)


def let_gather(graph: Any, node: Any, table: str, dtype: Any) -> None:
    """Make of a `ResourceGather` one that takes the tensor `table` where it took a variable."""
    import numpy as np
    import tensorflow as tf

    indices, rest = node.attr["Tindices"].type, list(node.input)[1:]
    axis = add_constant(graph, f"{node.name}/axis", np.int32(0))
    node.ClearField("attr")
    node.ClearField("input")
    node.op = "GatherV2"
    node.input.extend([table, rest[0], axis, *rest[1:]])
    node.attr["Tparams"].type, node.attr["Tindices"].type = dtype.as_datatype_enum, indices
    node.attr["Taxis"].type = tf.int32.as_datatype_enum


def others(concrete: Any, out: Collection[str]) -> list[Any]:
    """The variables that the function captures, but for those of the placeholders `out`."""
    handles = {id(outer) for outer, inner in concrete.graph.captures if inner.op.name not in out}
    return [variable for variable in concrete.graph.variables if id(variable.handle) in handles]


def importing(graph: Any, concrete: Any, out: Collection[str], added: Sequence[str] = ()) -> Callable[..., list[Any]]:
    """A function with this graph, made of the concrete one's: it takes its inputs by position, then `added`, and
    captures what that captured, but for the placeholders `out`."""
    import tensorflow as tf

    captures = [(outer, inner.op.name) for outer, inner in concrete.graph.captures]
    inputs = [tensor.op.name for tensor in concrete.inputs if tensor.op.name not in {name for _, name in captures}]
    outputs = [tensor.name for tensor in concrete.outputs]
    kept = others(concrete, out)

    def imported(*tensors: Any) -> list[Any]:
        here = tf.compat.v1.get_default_graph()
        for variable in kept:
            here.watch_variable(variable)  # What is frozen is what a graph knows for its variables.
        given = dict(zip([*inputs, *added], tensors, strict=True))
        given |= {name: here.capture(outer) for outer, name in captures if name not in out}
        made: list[Any] = tf.import_graph_def(graph, {f"{name}:0": t for name, t in given.items()}, outputs, "model")
        return made

    return imported
