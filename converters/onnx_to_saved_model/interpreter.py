"""Walks an ONNX graph once and says each operator in TensorFlow, inside the `tf.function` that is being traced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import defs, helper

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model.saving import safe_name
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight, WeightStore
from optimize.converters.onnx_to_saved_model.graph import (
    Graph,
    Type,
    names_read,
    operator_name,
    place,
    subgraph,
    subgraphs,
)
from optimize.converters.onnx_to_saved_model.rules import RULES
from optimize.converters.onnx_to_saved_model.rules.sizes import size_rule
from optimize.converters.onnx_to_saved_model.values import Sizes
from optimize.errors import Unsupported

Environment = dict[str, Any]

# What is computed beforehand is stored. Beyond this, only where it is no larger than what it was computed from.
_FOLDED_BYTES = 1 << 20
_OF_CHANCE = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"})


@dataclass(frozen=True)
class Node:
    """What a rule may know of the operator it stands for."""

    proto: onnx.NodeProto
    graph: Graph
    environment: Environment
    store: WeightStore
    read_once: bool
    """Whether one other operator reads its result, and no more."""

    @property
    def operator(self) -> str:
        return operator_name(self.proto.domain, self.proto.op_type)

    @property
    def version(self) -> int:
        """Of the operator set the model is written in."""
        return self.graph.opsets.get("" if self.proto.domain == "ai.onnx" else self.proto.domain, 1)

    @property
    def outputs(self) -> list[str]:
        return list(self.proto.output)

    @property
    def dtype(self) -> Any:
        """Of the first result."""
        return tf.as_dtype(self.graph.types[self.proto.output[0]][0])

    def type_of(self, name: str) -> Type | None:
        return self.graph.types.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute; where the model leaves it out, the standard's default for this version, else `default`."""
        for attribute in self.proto.attribute:
            if attribute.name == name:
                return _decoded(helper.get_attribute_value(attribute))
        schema = defs.get_schema(self.proto.op_type, self.version, self.proto.domain)
        found = schema.attributes.get(name)
        if found is None or not found.default_value.name:
            return default
        return _decoded(helper.get_attribute_value(found.default_value))

    def weight(self, name: str, array: Array) -> Any:
        """A tensor of numbers that an attribute holds."""
        return self.store.place(f"{self.proto.output[0]}/{name}", array, None)

    def run(self, branch: str, operands: Sequence[Any] = ()) -> list[Any]:
        """Of a branch or a loop's body: its results, in order."""
        inner = subgraph(self.get(branch), self.graph)
        around = {name: self.environment[name] for name in inner.free if name in self.environment}
        return interpret(inner, {**around, **dict(zip(inner.inputs, operands, strict=True))}, self.store)

    def body(self, branch: str) -> Graph:
        return subgraph(self.get(branch), self.graph)

    def settle_surroundings(self) -> None:
        """Say now what the branches read from around them, so that what both use is computed once, and by neither."""
        for name in names_read(self.proto):
            value = self.environment.get(name)
            if isinstance(value, Value) and not isinstance(value, Weight):
                self.environment[name] = (
                    Sizes(value.items, value.dtype) if isinstance(value, Sizes) else Value(value.tensor)
                )


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def interpret(graph: Graph, environment: Environment, store: WeightStore) -> list[Any]:
    """The graph's outputs. `environment` holds its inputs by name."""
    environment |= {name: Weight(name, array, store) for name, array in graph.arrays.items()}
    reads = Counter([name for node in graph.nodes for name in names_read(node)] + graph.outputs)
    for proto in graph.nodes:
        node = Node(proto, graph, environment, store, reads[proto.output[0]] == 1)
        results = _run(node, [environment[name] if name else None for name in proto.input])
        environment |= {name: value for name, value in zip(proto.output, results, strict=False) if name}
    return [environment[name] for name in graph.outputs]


def _run(node: Node, operands: Sequence[Any]) -> list[Any]:
    try:
        # The name is what a profile of the SavedModel shows.
        with tf.name_scope(safe_name(node.proto.name or node.proto.op_type)):
            return _results(node, operands)
    except (Unsupported, ValueError, TypeError, NotImplementedError, tf.errors.OpError) as error:
        raise Unsupported(f"{node.operator}, node {place(node.proto)}: {error}") from error


def _results(node: Node, operands: Sequence[Any]) -> list[Any]:
    sizes = size_rule(node, operands)
    if sizes is not None:
        return sizes
    if _is_known(node, operands):
        folded = _folded(node, operands)
        if folded is not None:
            return folded
    return _said(node, operands)


def _said(node: Node, operands: Sequence[Any]) -> list[Any]:
    result = RULES[node.operator](node, *operands)
    results = result if isinstance(result, list | tuple) else [result]
    return [_settled(item, node.type_of(name)) for item, name in zip(results, node.outputs, strict=False)]


def _settled(result: Any, kind: Type | None) -> Any:
    """As a `Value` of the dtype and the known sizes that ONNX's inference found."""
    if result is None:
        return None
    value = result if isinstance(result, Value) else Value(tf.convert_to_tensor(result))
    if kind is None:
        return value
    dtype, shape = kind
    if shape is None:
        return value if value.dtype == dtype else Value(tf.cast(value.data, dtype), value.order)
    return value.settled(tf.as_dtype(dtype), shape)


def _is_known(node: Node, operands: Sequence[Any]) -> bool:
    if node.operator in _OF_CHANCE or any(subgraphs(node.proto)):
        return False
    return all(operand is None or isinstance(operand, Weight) for operand in operands)


def _folded(node: Node, operands: Sequence[Any]) -> list[Any] | None:
    """Computed now. None where the result is large and would be larger than what it is computed from."""
    with tf.init_scope():
        now = [None if o is None else Weight(o.name, o.array, _Eager(), o.order) for o in operands]
        arrays = [None if r is None else _array(r) for r in _said(node, now)]
    bound = max(_FOLDED_BYTES, *(2 * o.array.nbytes for o in operands if o is not None), 0)
    if sum(array.nbytes for array in arrays if array is not None) > bound:
        return None
    named = zip(node.outputs, arrays, strict=False)
    return [None if array is None else Weight(name, array, node.store) for name, array in named]


def _array(value: Value) -> Array:
    return value.value if isinstance(value, Weight) else np.asarray(value.tensor)


class _Eager:
    """A `WeightStore` for what is computed now."""

    def place(self, name: str, array: Array, channel: int | None) -> Any:
        return tf.constant(array)

    def rows(self, name: str, array: Array, indices: Any) -> Any:
        return tf.gather(tf.constant(array), indices)

    def twin(self, name: str, permutation: Sequence[int]) -> Any:
        return None
