"""Sizes and other numbers known only when the model runs, and the checks torch.export leaves about them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value


@rule("aten.sym_size.int", lazy=True)
def size(context: Any, self: Value, dim: int) -> Any:
    return self.size(dim)


@rule("sym.getitem", lazy=True)
def item_of_list(context: Any, operands: list[Any]) -> Any:
    values, index = operands
    return values[index]


def _floats(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: function(tf.cast(x, tf.float64))


# Of Python numbers, the function torch itself calls; of tensors, TensorFlow's.
_ARITHMETIC: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (operator.add, tf.add),
    "sub": (operator.sub, tf.subtract),
    "mul": (operator.mul, tf.multiply),
    "floordiv": (operator.floordiv, tf.math.floordiv),
    "truediv": (operator.truediv, lambda a, b: tf.divide(tf.cast(a, tf.float64), tf.cast(b, tf.float64))),
    "mod": (operator.mod, tf.math.floormod),
    "pow": (operator.pow, tf.pow),
    "neg": (operator.neg, tf.negative),
    "eq": (operator.eq, tf.equal),
    "ne": (operator.ne, tf.not_equal),
    "lt": (operator.lt, tf.less),
    "le": (operator.le, tf.less_equal),
    "gt": (operator.gt, tf.greater),
    "ge": (operator.ge, tf.greater_equal),
    "and_": (operator.and_, tf.logical_and),
    "or_": (operator.or_, tf.logical_or),
    "sym_not": (operator.not_, tf.logical_not),
    "sym_max": (max, tf.maximum),
    "sym_min": (min, tf.minimum),
    "sym_float": (float, lambda x: tf.cast(x, tf.float64)),
    "trunc": (math.trunc, lambda x: tf.cast(x, tf.int32)),
    "ceil": (math.ceil, lambda x: tf.cast(tf.math.ceil(x), tf.int32)),
    "floor": (math.floor, lambda x: tf.cast(tf.math.floor(x), tf.int32)),
    # Its second operand is the number of digits, None for an integer.
    "round": (round, lambda x, digits=None: _rounded(x, digits)),
    "sym_ite": (lambda c, a, b: a if c else b, tf.where),
    "sym_sum": (sum, lambda values: tf.add_n([tf.cast(v, tf.int32) for v in values])),
    "_sym_sqrt": (math.sqrt, _floats(tf.sqrt)),
}


def _rounded(x: Any, digits: int | None) -> Any:
    return tf.cast(tf.round(x), tf.int32) if digits is None else tf.round(x * 10.0**digits) / 10.0**digits


def _register_arithmetic(name: str, of_numbers: Callable[..., Any], of_tensors: Callable[..., Any]) -> None:
    @rule(f"sym.{name}")
    def arithmetic(context: Any, operands: list[Any]) -> Any:
        if any(tf.is_tensor(operand) for operand in tf.nest.flatten(operands)):
            return of_tensors(*_one_kind(operands))
        return of_numbers(*operands)


def _one_kind(operands: list[Any]) -> list[Any]:
    """A size beside a fraction becomes one, in double precision as Python's: ⌊size · factor⌋ must come out the same."""
    if any(isinstance(o, float) or (tf.is_tensor(o) and o.dtype.is_floating) for o in operands):
        return [_fraction(operand) for operand in operands]
    return operands


def _fraction(operand: Any) -> Any:
    truth = tf.is_tensor(operand) and operand.dtype == tf.bool
    return operand if operand is None or truth else tf.cast(operand, tf.float64)


for _name, (_of_numbers, _of_tensors) in _ARITHMETIC.items():
    _register_arithmetic(_name, _of_numbers, _of_tensors)


@rule("aten.item.default")
def item(context: Any, self: Any) -> Any:
    number = tf.reshape(self, [])
    # Sizes are int32 everywhere here.
    return tf.cast(number, tf.int32) if number.dtype.is_integer else number


@rule(
    "aten._assert_scalar.default",
    "aten._assert_tensor_metadata.default",
)
def assertion(context: Any, **_: Any) -> None:
    """torch.export's own notes on what it assumed; they compute nothing."""
