"""What the element-by-element families share: broadcasting, storage order and torch's type promotion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value, align


def elementwise(function: Callable[..., Any], *operands: Any, dtype: Any) -> Value:
    """`function` of the operands, broadcast and cast to `dtype`, in the order of axes that moves the least data."""
    tensors, order = align(*operands)
    return Value(function(*(cast(tensor, dtype) for tensor in tensors)), order)


def cast(operand: Any, dtype: Any) -> Any:
    """A tensor, a number or a size known only at run time."""
    if tf.is_tensor(operand):
        return tf.cast(operand, dtype)
    return tf.constant(np.asarray(operand).astype(dtype.as_numpy_dtype))


def register_unary(functions: Mapping[str, Callable[[Any], Any]], family: str) -> None:
    """`aten.NAME.default(self)`, computed in the result's dtype; `family` is the module that these belong to."""
    for name, function in functions.items():
        _register_unary(name, function, family)


def _register_unary(name: str, function: Callable[[Any], Any], family: str) -> None:
    def unary(context: Any, self: Value) -> Value:
        return elementwise(function, self, dtype=context.dtype)

    unary.__module__ = family
    rule(f"aten.{name}.default", lazy=True)(unary)


def register_binary(functions: Mapping[str, Callable[[Any, Any], Any]], family: str) -> None:
    """`aten.NAME(self, other)`, computed in the result's dtype."""
    for name, function in functions.items():
        _register_binary(name, function, family)


def _register_binary(name: str, function: Callable[[Any, Any], Any], family: str) -> None:
    def binary(context: Any, self: Any, other: Any) -> Value:
        return elementwise(function, self, other, dtype=context.dtype)

    binary.__module__ = family
    rule(f"aten.{name}", lazy=True)(binary)


def promoted(*operands: Any) -> Any:
    """The dtype torch computes in: the highest kind wins, and within a kind tensors with axes before those without.

    https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
    """
    values = [operand for operand in operands if isinstance(operand, Value)]
    result = None
    for group in ([v for v in values if v.rank], [v for v in values if not v.rank]):
        for dtype in (value.dtype for value in group):
            result = dtype if result is None else _wider(result, dtype, same_group=dtype in [v.dtype for v in group])
    for number in (operand for operand in operands if not isinstance(operand, Value)):
        result = _with_number(result, number)
    return result


def _kind(dtype: Any) -> int:
    return 0 if dtype == tf.bool else 1 if dtype.is_integer else 2


def _wider(a: Any, b: Any, same_group: bool) -> Any:
    if _kind(a) != _kind(b):
        return a if _kind(a) > _kind(b) else b
    if not same_group or a == b:
        return a
    return tf.as_dtype(np.promote_types(a.as_numpy_dtype, b.as_numpy_dtype))


def _with_number(dtype: Any, number: Any) -> Any:
    kind = _kind(number.dtype) if tf.is_tensor(number) else {bool: 0, int: 1, float: 2}[type(number)]
    if kind <= _kind(dtype):
        return dtype
    return tf.float32 if kind == 2 else tf.int64
