"""Arithmetic, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.elementwise import elementwise, register_binary, register_unary
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value


def _truncate(x: Any) -> Any:
    return x if x.dtype.is_integer else tf.where(x < 0, tf.math.ceil(x), tf.math.floor(x))


def _for_floats(function: Any) -> Any:
    """Rounding leaves integers alone, and TensorFlow's has no kernel for them."""
    return lambda x: x if x.dtype.is_integer else function(x)


register_unary(
    {
        "abs": tf.abs,
        "acos": tf.acos,
        "acosh": tf.acosh,
        "asin": tf.asin,
        "asinh": tf.asinh,
        "atan": tf.atan,
        "atanh": tf.atanh,
        "ceil": _for_floats(tf.math.ceil),
        "cos": tf.cos,
        "cosh": tf.cosh,
        "deg2rad": lambda x: x * (np.pi / 180),
        "digamma": tf.math.digamma,
        "erf": tf.math.erf,
        "erfc": tf.math.erfc,
        "erfinv": tf.math.erfinv,
        "exp": tf.exp,
        "exp2": lambda x: tf.pow(tf.constant(2, x.dtype), x),
        "expm1": tf.math.expm1,
        "floor": _for_floats(tf.math.floor),
        "frac": lambda x: x - _truncate(x),
        "lgamma": tf.math.lgamma,
        "log": tf.math.log,
        "log10": lambda x: tf.math.log(x) / np.log(10.0).astype(x.dtype.as_numpy_dtype),
        "log1p": tf.math.log1p,
        "log2": lambda x: tf.math.log(x) / np.log(2.0).astype(x.dtype.as_numpy_dtype),
        "neg": tf.negative,
        "rad2deg": lambda x: x * (180 / np.pi),
        "reciprocal": tf.math.reciprocal,
        "round": _for_floats(tf.round),  # both round halves to even
        "rsqrt": tf.math.rsqrt,
        "sgn": tf.sign,
        "sign": tf.sign,
        "sin": tf.sin,
        "sinh": tf.sinh,
        "special_erf": tf.math.erf,
        "sqrt": tf.sqrt,
        "square": tf.square,
        "tan": tf.tan,
        "tanh": tf.tanh,
        "trunc": _truncate,
        "fix": _truncate,
    },
    __name__,
)

register_binary(
    {
        "atan2.default": tf.atan2,
        "copysign.Scalar": lambda a, b: tf.where(_is_negative(a) == _is_negative(b), a, -a),
        "copysign.Tensor": lambda a, b: tf.where(_is_negative(a) == _is_negative(b), a, -a),
        "floor_divide.default": tf.math.floordiv,
        "floor_divide.Scalar": tf.math.floordiv,
        "fmax.default": lambda a, b: tf.where(_is_nan(a), b, tf.where(_is_nan(b), a, tf.maximum(a, b))),
        "fmin.default": lambda a, b: tf.where(_is_nan(a), b, tf.where(_is_nan(b), a, tf.minimum(a, b))),
        "fmod.Scalar": tf.truncatemod,
        "fmod.Tensor": tf.truncatemod,
        "hypot.default": lambda a, b: tf.sqrt(tf.square(a) + tf.square(b)),
        "logaddexp.default": lambda a, b: tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b))),
        "max.other": tf.maximum,
        "maximum.default": tf.maximum,
        "min.other": tf.minimum,
        "minimum.default": tf.minimum,
        "remainder.Scalar": tf.math.floormod,
        "remainder.Scalar_Tensor": tf.math.floormod,
        "remainder.Tensor": tf.math.floormod,
        "xlogy.Tensor": tf.math.xlogy,
        "xlogy.Scalar_Other": tf.math.xlogy,
        "special_xlogy.default": tf.math.xlogy,
    },
    __name__,
)


def _is_negative(x: Any) -> Any:
    """By the sign bit, so that -0.0 is negative."""
    return tf.bitcast(x, tf.int32) < 0 if x.dtype == tf.float32 else (x < 0) | (1 / x < 0)


def _is_nan(x: Any) -> Any:
    return tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros_like(x, tf.bool)


def _sum(a: Any, b: Any) -> Any:
    return tf.logical_or(a, b) if a.dtype == tf.bool else a + b


def _product(a: Any, b: Any) -> Any:
    return tf.logical_and(a, b) if a.dtype == tf.bool else a * b


@rule("aten.add.Tensor", "aten.add.Scalar", lazy=True)
def add(context: Any, self: Any, other: Any, alpha: Any) -> Value:
    return elementwise(lambda a, b: _sum(a, _scaled(b, alpha)), self, other, dtype=context.dtype)


@rule("aten.sub.Tensor", "aten.sub.Scalar", lazy=True)
def subtract(context: Any, self: Any, other: Any, alpha: Any) -> Value:
    return elementwise(lambda a, b: a - _scaled(b, alpha), self, other, dtype=context.dtype)


@rule("aten.rsub.Tensor", "aten.rsub.Scalar", lazy=True)
def reverse_subtract(context: Any, self: Any, other: Any, alpha: Any) -> Value:
    return elementwise(lambda a, b: b - _scaled(a, alpha), self, other, dtype=context.dtype)


def _scaled(x: Any, alpha: Any) -> Any:
    return x if isinstance(alpha, int) and alpha == 1 else x * tf.cast(alpha, x.dtype)


@rule("aten.mul.Tensor", "aten.mul.Scalar", lazy=True)
def multiply(context: Any, self: Any, other: Any) -> Value:
    return elementwise(_product, self, other, dtype=context.dtype)


@rule("aten.div.Tensor", "aten.div.Scalar", lazy=True)
def divide(context: Any, self: Any, other: Any) -> Value:
    return elementwise(tf.divide, self, other, dtype=context.dtype)


@rule("aten.div.Tensor_mode", "aten.div.Scalar_mode", lazy=True)
def divide_rounding(context: Any, self: Any, other: Any, rounding_mode: str | None) -> Value:
    if rounding_mode == "floor":
        return elementwise(tf.math.floordiv, self, other, dtype=context.dtype)
    if rounding_mode == "trunc":
        return elementwise(_truncating_divide, self, other, dtype=context.dtype)
    return elementwise(tf.divide, self, other, dtype=context.dtype)


def _truncating_divide(a: Any, b: Any) -> Any:
    return tf.truncatediv(a, b) if a.dtype.is_integer else _truncate(a / b)


_POWERS: dict[float, Callable[[Any], Any]] = {
    1: tf.identity,
    2: tf.square,
    3: lambda x: x * x * x,
    0.5: tf.sqrt,
    -0.5: tf.math.rsqrt,
    -1: tf.math.reciprocal,
}


@rule("aten.pow.Tensor_Scalar", lazy=True)
def power(context: Any, self: Value, exponent: Any) -> Value:
    # The general power costs tens of multiplications.
    if not tf.is_tensor(exponent) and exponent in _POWERS:
        return elementwise(_POWERS[exponent], self, dtype=context.dtype)
    return elementwise(tf.pow, self, exponent, dtype=context.dtype)


@rule("aten.pow.Tensor_Tensor", "aten.pow.Scalar", lazy=True)
def power_of_tensors(context: Any, self: Any, exponent: Any) -> Value:
    return elementwise(tf.pow, self, exponent, dtype=context.dtype)


@rule("aten.clamp.default", "aten.clamp.Tensor", "aten.clip.default", lazy=True)
def clamp(context: Any, self: Value, min: Any, max: Any) -> Value:
    result = self
    if min is not None:
        result = elementwise(tf.maximum, result, min, dtype=context.dtype)
    if max is not None:
        result = elementwise(tf.minimum, result, max, dtype=context.dtype)
    return result


@rule("aten.clamp_min.default", "aten.clamp_min.Tensor", lazy=True)
def clamp_min(context: Any, self: Value, min: Any) -> Value:
    return clamp(context, self, min, None)


@rule("aten.clamp_max.default", "aten.clamp_max.Tensor", lazy=True)
def clamp_max(context: Any, self: Value, max: Any) -> Value:
    return clamp(context, self, None, max)


@rule("aten.lerp.Scalar", "aten.lerp.Tensor", lazy=True)
def interpolate(context: Any, self: Value, end: Value, weight: Any) -> Value:
    return elementwise(lambda a, b, w: a + w * (b - a), self, end, weight, dtype=context.dtype)


@rule("aten.addcmul.default", lazy=True)
def add_product(context: Any, self: Value, tensor1: Value, tensor2: Value, value: Any) -> Value:
    return elementwise(lambda x, a, b: x + _scaled(a * b, value), self, tensor1, tensor2, dtype=context.dtype)


@rule("aten.addcdiv.default", lazy=True)
def add_quotient(context: Any, self: Value, tensor1: Value, tensor2: Value, value: Any) -> Value:
    return elementwise(lambda x, a, b: x + _scaled(a / b, value), self, tensor1, tensor2, dtype=context.dtype)


@rule("aten.round.decimals", lazy=True)
def round_to_decimals(context: Any, self: Value, decimals: int) -> Value:
    scale = 10.0**decimals
    return elementwise(lambda x: tf.round(x * scale) / scale, self, dtype=context.dtype)


@rule("aten.nan_to_num.default", lazy=True)
def replace_not_numbers(
    context: Any, self: Value, nan: float | None, posinf: float | None, neginf: float | None
) -> Value:
    if context.dtype.is_integer:
        return self
    highest = context.dtype.max if posinf is None else posinf
    lowest = context.dtype.min if neginf is None else neginf

    def replaced(x: Any) -> Any:
        x = tf.where(tf.math.is_nan(x), tf.constant(nan or 0.0, x.dtype), x)
        infinite = tf.math.is_inf(x)
        x = tf.where(infinite & (x > 0), tf.constant(highest, x.dtype), x)
        return tf.where(infinite & (x < 0), tf.constant(lowest, x.dtype), x)

    return elementwise(replaced, self, dtype=context.dtype)
