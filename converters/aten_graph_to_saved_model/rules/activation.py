"""Activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.elementwise import elementwise, register_unary
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value

register_unary(
    {
        "hardsigmoid": lambda x: tf.nn.relu6(x + 3) / 6,
        "hardswish": lambda x: x * tf.nn.relu6(x + 3) / 6,
        "log_sigmoid": tf.math.log_sigmoid,
        "mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
        "relu": tf.nn.relu,
        "relu6": tf.nn.relu6,
        "selu": tf.nn.selu,
        "sigmoid": tf.sigmoid,
        "silu": tf.nn.silu,
        "special_expit": tf.sigmoid,
    },
    __name__,
)


@rule("aten.gelu.default", lazy=True)
def gelu(context: Any, self: Value, approximate: str) -> Value:
    return elementwise(lambda x: tf.nn.gelu(x, approximate=approximate == "tanh"), self, dtype=context.dtype)


@rule("aten.elu.default", lazy=True)
def elu(context: Any, self: Value, alpha: float, scale: float, input_scale: float) -> Value:
    def function(x: Any) -> Any:
        return scale * tf.where(x > 0, x, alpha * tf.math.expm1(tf.minimum(x, 0) * input_scale))

    return elementwise(function, self, dtype=context.dtype)


@rule("aten.celu.default", lazy=True)
def celu(context: Any, self: Value, alpha: float) -> Value:
    return elu(context, self, alpha, 1.0, 1.0 / alpha)


@rule("aten.leaky_relu.default", lazy=True)
def leaky_relu(context: Any, self: Value, negative_slope: float) -> Value:
    return elementwise(lambda x: tf.nn.leaky_relu(x, negative_slope), self, dtype=context.dtype)


@rule("aten.rrelu.default", lazy=True)
def randomized_leaky_relu(context: Any, self: Value, lower: float, upper: float, training: bool, **_: Any) -> Value:
    if training:
        raise ValueError("the model is in training mode")
    return leaky_relu(context, self, (lower + upper) / 2)


@rule("aten.prelu.default", lazy=True)
def prelu(context: Any, self: Value, weight: Value) -> Value:
    """`weight` has one slope, or one per channel, the second axis."""
    slopes = weight
    if weight.rank == 1 and self.rank > 1:
        slopes = weight.padded(self.rank).permuted(_second_axis(self.rank))
    return elementwise(lambda x, w: tf.where(x > 0, x, w * x), self, slopes, dtype=context.dtype)


def _second_axis(rank: int) -> list[int]:
    """Axes that carry the last one, the only one longer than 1, to the second place."""
    return [0, rank - 1, *range(1, rank - 1)]


@rule("aten.hardtanh.default", lazy=True)
def hardtanh(context: Any, self: Value, min_val: float, max_val: float) -> Value:
    # ReLU6 is fused into the convolution before it; a clip is not.
    function = tf.nn.relu6 if (min_val, max_val) == (0, 6) else lambda x: tf.clip_by_value(x, min_val, max_val)
    return elementwise(function, self, dtype=context.dtype)


@rule("aten.softplus.default", lazy=True)
def softplus(context: Any, self: Value, beta: float, threshold: float) -> Value:
    def function(x: Any) -> Any:
        return tf.where(x * beta > threshold, x, tf.math.softplus(x * beta) / beta)

    return elementwise(function, self, dtype=context.dtype)


@rule("aten.threshold.default", lazy=True)
def threshold(context: Any, self: Value, threshold: float, value: float) -> Value:
    return elementwise(lambda x: tf.where(x > threshold, x, tf.constant(value, x.dtype)), self, dtype=context.dtype)


@rule("aten.glu.default")
def glu(context: Any, self: Any, dim: int) -> Any:
    first, second = tf.split(self, 2, axis=dim)
    return first * tf.sigmoid(second)


@rule("aten.logit.default", "aten.special_logit.default", lazy=True)
def logit(context: Any, self: Value, eps: float | None) -> Value:
    def function(x: Any) -> Any:
        x = x if eps is None else tf.clip_by_value(x, eps, 1 - eps)
        return tf.math.log(x / (1 - x))

    return elementwise(function, self, dtype=context.dtype)


@rule("aten.softmax.int", lazy=True)
def softmax(context: Any, self: Value, dim: int, dtype: Any) -> Value:
    return _along(tf.nn.softmax, self, dim, context.dtype)


@rule("aten._softmax.default", lazy=True)
def core_softmax(context: Any, self: Value, dim: int, half_to_float: bool) -> Value:
    return _along(tf.nn.softmax, self, dim, context.dtype)


@rule("aten._safe_softmax.default", lazy=True)
def safe_softmax(context: Any, self: Value, dim: int, dtype: Any) -> Value:
    """A row of nothing but -inf gives zeros, not NaN."""

    def function(x: Any, axis: int) -> Any:
        masked = tf.reduce_all(tf.equal(x, tf.constant(-np.inf, x.dtype)), axis, keepdims=True)
        return tf.where(masked, tf.zeros_like(x), tf.nn.softmax(x, axis=axis))

    return _along(function, self, dim, context.dtype)


@rule("aten.log_softmax.int", lazy=True)
def log_softmax(context: Any, self: Value, dim: int, dtype: Any) -> Value:
    return _along(tf.nn.log_softmax, self, dim, context.dtype)


@rule("aten._log_softmax.default", lazy=True)
def core_log_softmax(context: Any, self: Value, dim: int, half_to_float: bool) -> Value:
    return _along(tf.nn.log_softmax, self, dim, context.dtype)


def _along(function: Any, x: Value, dim: int, dtype: Any) -> Value:
    if x.rank == 0:
        return Value(function(tf.cast(x.tensor, dtype)[None], axis=0)[0])
    axis = x.order[dim % x.rank]
    return Value(function(tf.cast(x.stored(x.order), dtype), axis=axis), x.order)


_SQRT_HALF = float(np.sqrt(0.5))


@rule("aten.special_ndtr.default", lazy=True)
def normal_distribution(context: Any, self: Value) -> Value:
    return elementwise(lambda x: 0.5 * tf.math.erfc(-x * _SQRT_HALF), self, dtype=context.dtype)
