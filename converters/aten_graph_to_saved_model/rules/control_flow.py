"""Branches, loops and blocks that torch.export keeps as graphs of their own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value


def _tensors(values: list[Any]) -> list[Any]:
    return [value.tensor if isinstance(value, Value) else tf.convert_to_tensor(value) for value in values]


@rule("higher_order.cond", lazy=True)
def cond(context: Any, operands: list[Any]) -> list[Any]:
    """Both branches' results have the dtypes and the known sizes that torch recorded."""
    condition, if_true, if_false, values = operands
    condition = condition.tensor if isinstance(condition, Value) else condition
    # Placed before the branches, so that what both use is read once and no branch owns it.
    values = [Value(v.tensor) if isinstance(v, Value) else v for v in values]

    def branch(graph: str) -> Any:
        return lambda: tuple(_tensors(context.run(graph, values)))

    return list(tf.cond(tf.reshape(tf.cast(condition, tf.bool), []), branch(if_true), branch(if_false)))


@rule("higher_order.while_loop", lazy=True)
def while_loop(context: Any, operands: list[Any]) -> list[Any]:
    condition, body, carried, extra = operands
    extra = [Value(v.tensor) if isinstance(v, Value) else v for v in extra]
    start = [tf.cast(v, tf.int32) if isinstance(v, int) else v for v in carried]

    def wrapped(state: tuple[Any, ...]) -> list[Any]:
        return [Value(t) if isinstance(v, Value) else t for t, v in zip(state, carried, strict=True)] + extra

    def test(*state: Any) -> Any:
        return tf.reshape(_tensors(context.run(condition, wrapped(state)))[0], [])

    def step(*state: Any) -> Any:
        return tuple(_tensors(context.run(body, wrapped(state))))

    tensors = tuple(_tensors(start))
    free = [tf.TensorShape([None] * t.shape.rank) for t in tensors]
    return list(tf.while_loop(test, step, tensors, shape_invariants=tuple(free)))
