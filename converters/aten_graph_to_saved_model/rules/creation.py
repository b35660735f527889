"""Tensors made from sizes, and changes of dtype."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.elementwise import cast
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value


def _filled(context: Any, size: list[Any], value: Any) -> Any:
    return tf.fill(symbolic.shape(size), cast(value, context.dtype))


@rule("aten.zeros.default", "aten.empty.memory_format")
def zeros(context: Any, size: list[Any], dtype: Any) -> Any:
    return _filled(context, size, 0)


@rule("aten.ones.default")
def ones(context: Any, size: list[Any], dtype: Any) -> Any:
    return _filled(context, size, 1)


@rule("aten.full.default")
def full(context: Any, size: list[Any], fill_value: Any, dtype: Any) -> Any:
    return _filled(context, size, fill_value)


@rule("aten.new_zeros.default", "aten.new_empty.default")
def new_zeros(context: Any, self: Any, size: list[Any], dtype: Any) -> Any:
    return _filled(context, size, 0)


@rule("aten.new_ones.default")
def new_ones(context: Any, self: Any, size: list[Any], dtype: Any) -> Any:
    return _filled(context, size, 1)


@rule("aten.new_full.default")
def new_full(context: Any, self: Any, size: list[Any], fill_value: Any, dtype: Any) -> Any:
    return _filled(context, size, fill_value)


def _filled_like(context: Any, like: Value, value: Any) -> Value:
    stored = like.stored(like.order)
    return Value(tf.fill(symbolic.shape(symbolic.sizes(stored)), cast(value, context.dtype)), like.order)


@rule("aten.zeros_like.default", "aten.empty_like.default", lazy=True)
def zeros_like(context: Any, self: Value, dtype: Any) -> Value:
    return _filled_like(context, self, 0)


@rule("aten.ones_like.default", lazy=True)
def ones_like(context: Any, self: Value, dtype: Any) -> Value:
    return _filled_like(context, self, 1)


@rule("aten.full_like.default", lazy=True)
def full_like(context: Any, self: Value, fill_value: Any, dtype: Any) -> Value:
    return _filled_like(context, self, fill_value)


@rule("aten.zero.default", lazy=True)
def zero(context: Any, self: Value) -> Value:
    return _filled_like(context, self, 0)


@rule("aten.fill.Scalar", lazy=True)
def fill(context: Any, self: Value, value: Any) -> Value:
    return _filled_like(context, self, value)


@rule("aten.fill.Tensor", lazy=True)
def fill_with_tensor(context: Any, self: Value, value: Value) -> Value:
    return _filled_like(context, self, value.tensor)


@rule("aten.arange.start_step")
def arange_by_step(context: Any, start: Any, end: Any, step: Any, dtype: Any) -> Any:
    kind = _range_dtype(context.dtype, start, end, step)
    return tf.range(cast(start, kind), cast(end, kind), cast(step, kind))


def _range_dtype(result: Any, *bounds: Any) -> Any:
    """A fractional bound counts even where the result is of integers."""
    fractions = any(isinstance(b, float) or (tf.is_tensor(b) and b.dtype.is_floating) for b in bounds)
    if result.is_integer:
        return tf.float64 if fractions else tf.int64
    return tf.float32 if result.size < 4 else result


@rule("aten.arange.start")
def arange(context: Any, start: Any, end: Any, dtype: Any) -> Any:
    return arange_by_step(context, start, end, 1, dtype)


@rule("aten.arange.default")
def arange_from_zero(context: Any, end: Any, dtype: Any) -> Any:
    return arange_by_step(context, 0, end, 1, dtype)


@rule("aten.linspace.default")
def linspace(context: Any, start: Any, end: Any, steps: Any, dtype: Any) -> Any:
    kind = context.dtype if context.dtype.is_floating else tf.float64
    return tf.linspace(cast(start, kind), cast(end, kind), steps)


@rule("aten.eye.default")
def eye(context: Any, n: Any, dtype: Any) -> Any:
    return tf.eye(n, dtype=context.dtype)


@rule("aten.eye.m")
def eye_of_two(context: Any, n: Any, m: Any, dtype: Any) -> Any:
    return tf.eye(n, m, dtype=context.dtype)


@rule("aten.scalar_tensor.default")
def scalar(context: Any, s: Any, dtype: Any) -> Any:
    return cast(s, context.dtype)


@rule("aten.tril_indices.default")
def lower_triangle_indices(context: Any, row: Any, col: Any, offset: int, dtype: Any) -> Any:
    inside = tf.range(col)[None, :] - tf.range(row)[:, None] <= offset
    return tf.transpose(tf.where(inside))


@rule("aten.triu_indices.default")
def upper_triangle_indices(context: Any, row: Any, col: Any, offset: int, dtype: Any) -> Any:
    inside = tf.range(col)[None, :] - tf.range(row)[:, None] >= offset
    return tf.transpose(tf.where(inside))


@rule(
    "aten.alias.default",
    "aten.clone.default",
    "aten.detach.default",
    lazy=True,
)
def same(context: Any, self: Value) -> Value:
    return self


@rule("aten.native_dropout.default", lazy=True)
def native_dropout(context: Any, input: Value, p: float, train: bool | None) -> list[Any]:
    kept = _not_training(input, p, train is not False)
    return [kept, tf.ones(tf.shape(kept.tensor), tf.bool)]


def _not_training(x: Value, p: float, train: bool) -> Value:
    if train and p > 0:
        raise ValueError("dropout is on: the model is in training mode")
    return x


# The interpreter casts every result to the dtype that torch recorded.
@rule("aten._to_copy.default", lazy=True)
def to_dtype(context: Any, self: Value, dtype: Any) -> Value:
    return _converted(context, self)


@rule("aten.type_as.default", lazy=True)
def to_dtype_of(context: Any, self: Value, other: Value, **_: Any) -> Value:
    return _converted(context, self)


@rule("aten.copy.default")
def copy(context: Any, self: Any, src: Any) -> Any:
    """`src` in the shape and dtype of `self`, whose content is forgotten."""
    return tf.broadcast_to(tf.cast(src, context.dtype), tf.shape(self))


def _converted(context: Any, x: Value) -> Value:
    # A float is cut towards zero, a number is true when it is not zero: tf.cast's laws are torch's.
    return Value(tf.cast(x.stored(x.order), context.dtype), x.order) if x.dtype != context.dtype else x


@rule("aten.view.dtype")
def bitcast(context: Any, self: Any, dtype: Any) -> Any:
    if context.dtype.size != self.dtype.size:
        raise ValueError("a view of another item size has no rule")
    return tf.bitcast(self, context.dtype)
