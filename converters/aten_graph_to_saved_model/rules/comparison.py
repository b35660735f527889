"""Comparisons, logic and bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.elementwise import cast, elementwise, promoted, register_binary
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value, align

_COMPARISONS = {
    "eq": tf.equal,
    "ne": tf.not_equal,
    "lt": tf.less,
    "le": tf.less_equal,
    "gt": tf.greater,
    "ge": tf.greater_equal,
}


def _register_comparison(name: str, function: Callable[[Any, Any], Any]) -> None:
    @rule(f"aten.{name}.Tensor", f"aten.{name}.Scalar", lazy=True)
    def compare(context: Any, self: Any, other: Any) -> Value:
        dtype = promoted(self, other)
        # TensorFlow orders no booleans.
        dtype = tf.int32 if dtype == tf.bool and name not in ("eq", "ne") else dtype
        return elementwise(function, self, other, dtype=dtype)


for _name, _function in _COMPARISONS.items():
    _register_comparison(_name, _function)


def _bitwise(of_integers: Callable[..., Any], of_booleans: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: (of_booleans if operands[0].dtype == tf.bool else of_integers)(*operands)


_AND = _bitwise(tf.bitwise.bitwise_and, tf.logical_and)
_OR = _bitwise(tf.bitwise.bitwise_or, tf.logical_or)
_XOR = _bitwise(tf.bitwise.bitwise_xor, tf.math.logical_xor)
_NOT = _bitwise(tf.bitwise.invert, tf.logical_not)

register_binary(
    {
        **{f"bitwise_and.{kind}": _AND for kind in ("Tensor", "Scalar")},
        **{f"bitwise_or.{kind}": _OR for kind in ("Tensor", "Scalar")},
        **{f"bitwise_xor.{kind}": _XOR for kind in ("Tensor", "Scalar")},
        **{f"__and__.{kind}": _AND for kind in ("Tensor", "Scalar")},
        **{f"__or__.{kind}": _OR for kind in ("Tensor", "Scalar")},
        **{f"__xor__.{kind}": _XOR for kind in ("Tensor", "Scalar")},
        **{f"bitwise_left_shift.{kind}": tf.bitwise.left_shift for kind in ("Tensor", "Tensor_Scalar")},
        **{f"bitwise_right_shift.{kind}": tf.bitwise.right_shift for kind in ("Tensor", "Tensor_Scalar")},
        **{f"__lshift__.{kind}": tf.bitwise.left_shift for kind in ("Tensor", "Scalar")},
        **{f"__rshift__.{kind}": tf.bitwise.right_shift for kind in ("Tensor", "Scalar")},
        "logical_and.default": tf.logical_and,
        "logical_or.default": tf.logical_or,
        "logical_xor.default": tf.math.logical_xor,
    },
    __name__,
)


@rule("aten.bitwise_not.default", lazy=True)
def bitwise_not(context: Any, self: Value) -> Value:
    return elementwise(_NOT, self, dtype=self.dtype)


@rule("aten.logical_not.default", lazy=True)
def logical_not(context: Any, self: Value) -> Value:
    return elementwise(tf.logical_not, self, dtype=tf.bool)


def _register_test(name: str, function: Callable[[Any], Any]) -> None:
    @rule(f"aten.{name}.default", lazy=True)
    def test(context: Any, self: Value) -> Value:
        # Integers are all finite, and TensorFlow asks only of floats.
        dtype = self.dtype if self.dtype.is_floating else tf.float32
        return elementwise(function, self, dtype=dtype)


for _name, _test in {
    "isnan": tf.math.is_nan,
    "isinf": tf.math.is_inf,
    "isfinite": tf.math.is_finite,
    "isposinf": lambda x: tf.math.is_inf(x) & (x > 0),
    "isneginf": lambda x: tf.math.is_inf(x) & (x < 0),
    "signbit": lambda x: x < 0,
}.items():
    _register_test(_name, _test)


@rule("aten.isclose.default", lazy=True)
def is_close(context: Any, self: Value, other: Value, rtol: float, atol: float, equal_nan: bool) -> Value:
    def close(a: Any, b: Any) -> Any:
        near = (a == b) | (tf.math.is_finite(b) & (tf.abs(a - b) <= atol + rtol * tf.abs(b)))
        return near | (tf.math.is_nan(a) & tf.math.is_nan(b)) if equal_nan else near

    dtype = promoted(self, other)
    return elementwise(close, self, other, dtype=dtype if dtype.is_floating else tf.float64)


@rule("aten.where.self", "aten.where.ScalarSelf", "aten.where.ScalarOther", "aten.where.Scalar", lazy=True)
def where(context: Any, condition: Value, self: Any, other: Any) -> Value:
    (condition, self, other), order = align(condition, self, other)
    dtype = context.dtype
    return Value(tf.where(tf.cast(condition, tf.bool), cast(self, dtype), cast(other, dtype)), order)


@rule("aten.masked_fill.Scalar", "aten.masked_fill.Tensor", lazy=True)
def masked_fill(context: Any, self: Value, mask: Value, value: Any) -> Value:
    return where(context, mask, value, self)


@rule("aten.masked_scatter.default")
def masked_scatter(context: Any, self: Any, mask: Any, source: Any) -> Any:
    places = tf.where(tf.broadcast_to(mask, tf.shape(self)))
    values = tf.reshape(source, [-1])[: tf.shape(places)[0]]
    return tf.tensor_scatter_nd_update(self, places, values)
