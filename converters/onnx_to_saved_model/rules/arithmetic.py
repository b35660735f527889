"""Element by element: arithmetic, comparison, logic, bits and types."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from onnx import helper

from optimize.converters.aten_graph_to_saved_model.values import Value, Weight
from optimize.converters.onnx_to_saved_model.rules.registry import (
    check_kernels,
    elementwise,
    register_elementwise,
    rule,
)


def _wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """Small and unsigned integers, which few TensorFlow kernels take, are computed in int64."""

    def apply(*operands: Any) -> Any:
        dtype = operands[-1].dtype
        if not dtype.is_integer or dtype in (tf.int32, tf.int64):
            return function(*operands)
        wide = [tf.cast(x, tf.int64) if x.dtype.is_integer else x for x in operands]
        result = function(*wide)
        return tf.cast(result, dtype) if result.dtype == tf.int64 else result

    return apply


def _divided(a: Any, b: Any) -> Any:
    return tf.truncatediv(a, b) if a.dtype.is_integer else a / b


def _erf(x: Any) -> Any:
    return tf.math.erf(x) if x.dtype.is_floating else tf.cast(tf.math.erf(tf.cast(x, tf.float32)), x.dtype)


register_elementwise(
    {
        "Abs": _wide(tf.abs),
        "Acos": tf.acos,
        "Acosh": tf.acosh,
        "Add": _wide(tf.add),
        "And": tf.logical_and,
        "Asin": tf.asin,
        "Asinh": tf.asinh,
        "Atan": tf.atan,
        "Atanh": tf.atanh,
        "BitwiseAnd": tf.bitwise.bitwise_and,
        "BitwiseNot": tf.bitwise.invert,
        "BitwiseOr": tf.bitwise.bitwise_or,
        "BitwiseXor": tf.bitwise.bitwise_xor,
        "Ceil": tf.math.ceil,
        "Cos": tf.cos,
        "Cosh": tf.cosh,
        "Equal": tf.equal,
        "Erf": _erf,
        "Exp": tf.exp,
        "Floor": tf.floor,
        "Greater": _wide(tf.greater),
        "GreaterOrEqual": _wide(tf.greater_equal),
        "IsNaN": tf.math.is_nan,
        "Less": _wide(tf.less),
        "LessOrEqual": _wide(tf.less_equal),
        "Log": tf.math.log,
        "Mul": _wide(tf.multiply),
        "Neg": _wide(tf.negative),
        "Not": tf.logical_not,
        "Or": tf.logical_or,
        "Reciprocal": tf.math.reciprocal,
        # Halves to the even neighbour, as the standard has it.
        "Round": tf.round,
        "Sign": _wide(tf.sign),
        "Sin": tf.sin,
        "Sinh": tf.sinh,
        "Sqrt": tf.sqrt,
        "Sub": _wide(tf.subtract),
        "Tan": tf.tan,
        "Xor": tf.math.logical_xor,
    },
    __name__,
)


@rule("Div")
def divide(node: Any, a: Value, b: Value) -> Value:
    """By constants, such as a scaler's, as variables: TensorFlow's optimizer turns a constant divisor into its
    reciprocal, which moves half of the quotients by one bit, and with it what a tree answers. LiteRT and OpenVINO make
    constants of variables, and reciprocals of those, but not of what is as long as the batch."""
    if isinstance(b, Weight) and not isinstance(a, Weight) and b.dtype.is_floating and b.array.size > 1:
        b = _repeated(Value(node.store.variable(f"{b.name}/divisor", b.value)), a)
    return elementwise(_wide(_divided), a, b)


def _repeated(b: Value, a: Value) -> Value:
    """Once per row of `a`, where it is one row for all and the number of rows is known only when the model runs."""
    missing = a.rank - b.rank
    if missing < 0 or isinstance(a.size(0), int) or (missing == 0 and b.size(0) != 1):
        return b
    one = tf.reshape(b.tensor, [1] * missing + list(b.shape))
    return Value(tf.tile(one, [a.size(0)] + [1] * (a.rank - 1)))


def _register_many(operator: str, function: Callable[[Any, Any], Any]) -> None:
    @rule(operator)
    def many(node: Any, *operands: Value) -> Value:
        return elementwise(lambda *tensors: functools.reduce(_wide(function), tensors), *operands)


for _operator, _function in {"Max": tf.maximum, "Min": tf.minimum, "Sum": tf.add}.items():
    _register_many(_operator, _function)


@rule("Mean")
def mean(node: Any, *operands: Value) -> Value:
    return elementwise(lambda *tensors: functools.reduce(tf.add, tensors) / len(tensors), *operands)


@rule("Pow")
def power(node: Any, base: Value, exponent: Value) -> Value:
    """The base's type is the result's; the exponent may have another."""
    return elementwise(_power, base, exponent)


def _power(a: Any, b: Any) -> Any:
    if a.dtype == b.dtype and a.dtype.is_floating:
        return tf.pow(a, b)
    if a.dtype.is_integer and b.dtype.is_integer:
        return tf.cast(tf.pow(tf.cast(a, tf.int64), tf.cast(b, tf.int64)), a.dtype)
    kind = a.dtype if a.dtype.is_floating else tf.float64
    return tf.cast(tf.pow(tf.cast(a, kind), tf.cast(b, kind)), a.dtype)


@rule("Mod")
def modulo(node: Any, a: Value, b: Value) -> Value:
    """With `fmod` the sign is the dividend's, as C has it; without, the divisor's."""
    function = _wide(tf.truncatemod if node.get("fmod") else tf.math.floormod)
    if a.dtype.size == 2 and a.dtype.is_floating:
        return elementwise(lambda *halves: tf.cast(function(*(tf.cast(h, tf.float32) for h in halves)), a.dtype), a, b)
    return elementwise(function, a, b)


@rule("BitShift")
def shift(node: Any, a: Value, b: Value) -> Value:
    return elementwise(tf.bitwise.left_shift if node.get("direction") == "LEFT" else tf.bitwise.right_shift, a, b)


@rule("BitCast")
def same_bits(node: Any, x: Value) -> Value:
    return Value(tf.bitcast(x.data, tf.as_dtype(helper.tensor_dtype_to_np_dtype(node.get("to")))), x.order)


@rule("IsInf")
def is_infinite(node: Any, x: Value) -> Value:
    above, below = node.get("detect_positive"), node.get("detect_negative")

    def function(x: Any) -> Any:
        return tf.math.is_inf(x) & ((x > 0) if not below else (x < 0) if not above else tf.ones_like(x, tf.bool))

    return Value(tf.zeros_like(x.data, tf.bool), x.order) if not above and not below else elementwise(function, x)


@rule("Clip")
def clip(node: Any, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    bounds = [_bound(node, "min", low), _bound(node, "max", high)]
    # ReLU6 is fused into the convolution before it; a clip is not.
    if bounds == [0.0, 6.0]:
        return elementwise(tf.nn.relu6, x)
    lowest, highest = (b.tensor if isinstance(b, Value) else b for b in bounds)

    def function(x: Any) -> Any:
        x = x if lowest is None else _wide(tf.maximum)(x, tf.cast(lowest, x.dtype))
        return x if highest is None else _wide(tf.minimum)(x, tf.cast(highest, x.dtype))

    return elementwise(function, x)


def _bound(node: Any, name: str, given: Value | None) -> Any:
    """A number where it is known, else a `Value`; it was an attribute before version 11."""
    if given is None:
        return node.get(name) if node.version < 11 else None
    return given.value.item() if isinstance(given, Weight) and given.array.size == 1 else given


@rule("Where")
def where(node: Any, condition: Value, x: Value, y: Value) -> Value:
    return elementwise(tf.where, condition, x, y)


@rule("Cast")
def cast(node: Any, x: Value) -> Value:
    return _cast(x, helper.tensor_dtype_to_np_dtype(node.get("to")))


@rule("CastLike")
def cast_like(node: Any, x: Value, like: Value) -> Value:
    return _cast(x, like.dtype.as_numpy_dtype)


def _cast(x: Value, dtype: Any) -> Value:
    if np.dtype(dtype) == object or x.dtype == tf.string:
        raise ValueError("conversion between text and numbers has no rule")
    for kind in (x.dtype, np.dtype(dtype)):
        check_kernels(kind.name)
    return Value(tf.cast(x.data, tf.as_dtype(dtype)), x.order)
