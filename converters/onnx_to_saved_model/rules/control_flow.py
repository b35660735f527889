"""Branches and loops."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.values import Value, Weight
from optimize.converters.onnx_to_saved_model.rules.registry import rule


def _tensors(values: list[Any]) -> tuple[Any, ...]:
    return tuple(tf.identity(value.tensor) for value in values)


@rule("If")
def branch(node: Any, condition: Value) -> list[Any]:
    if isinstance(condition, Weight):
        return node.run("then_branch" if condition.value.item() else "else_branch")  # type: ignore[no-any-return]
    node.settle_surroundings()
    truth = tf.reshape(condition.tensor, [])
    return list(tf.cond(truth, lambda: _tensors(node.run("then_branch")), lambda: _tensors(node.run("else_branch"))))


@rule("Loop")
def loop(node: Any, most: Value | None, start: Value | None, *carried: Value) -> list[Any]:
    """The body takes the count, the condition and what is carried; behind those, its outputs are stacked."""
    node.settle_surroundings()
    limit = tf.constant(2**31 - 1, tf.int64) if most is None else tf.reshape(most.tensor, [])
    alive = tf.constant(True) if start is None else tf.reshape(start.tensor, [])
    body = node.body("body")
    scanned = body.outputs[1 + len(carried) :]
    arrays = tuple(_array(body.types[name]) for name in scanned)

    def step(count: Any, alive: Any, state: tuple[Any, ...], stacked: tuple[Any, ...]) -> tuple[Any, ...]:
        operands = [Value(count), Value(alive), *map(Value, state)]
        again, *results = node.run("body", operands)
        state, outputs = _tensors(results[: len(carried)]), _tensors(results[len(carried) :])
        at = tf.cast(count, tf.int32)
        written = tuple(array.write(at, output) for array, output in zip(stacked, outputs, strict=True))
        return count + 1, tf.reshape(again.tensor, []), state, written

    tensors = _tensors(list(carried))
    shapes = tuple(_shape(body, name, t) for name, t in zip(body.inputs[2:], tensors, strict=True))
    scalar = tf.TensorShape([])
    invariants = (scalar, scalar, shapes, tuple(tf.TensorShape(None) for _ in arrays))
    first = (tf.constant(0, tf.int64), alive, tensors, arrays)
    *_, state, stacked = tf.while_loop(
        lambda count, alive, *_: alive & (count < limit), step, first, shape_invariants=invariants
    )
    return [*state, *(array.stack() for array in stacked)]


def _array(kind: tuple[Any, Any]) -> Any:
    dtype, shape = kind
    return tf.TensorArray(tf.as_dtype(dtype), 0, dynamic_size=True, element_shape=shape, infer_shape=False)


def _shape(body: Any, name: str, tensor: Any) -> Any:
    """What the body may make of a carried tensor: any size, of the same rank."""
    return tf.TensorShape([None] * tensor.shape.rank)
