"""Arithmetic on shapes, item by item: what is known of a size now stays known.

These are not further rules for TensorFlow: they apply where an operand is a shape, and give way to the rules of the
table where another operand is no list of numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.converters.onnx_to_saved_model.values import Sizes, Unknown, as_value, items_of

Items = Callable[..., "Array | list[Array] | None"]


def size_rule(node: Any, operands: Sequence[Any]) -> list[Any] | None:
    """The results, where the operator is one that works on shapes and is given one."""
    found = _RULES.get(node.operator)
    if found is None or not any(isinstance(operand, Sizes) for operand in operands):
        return None
    items = [None if operand is None else items_of(operand) for operand in operands]
    if any(operand is not None and item is None for operand, item in zip(operands, items, strict=True)):
        return None
    result = found(node, *items)
    if result is None:
        return None
    results = result if isinstance(result, list) else [result]
    return [_value(node, name, items) for name, items in zip(node.outputs, results, strict=True)]


def _value(node: Any, name: str, items: Array) -> Value:
    kind = node.type_of(name)
    dtype = tf.int64 if kind is None else tf.as_dtype(kind[0])
    return as_value(items, dtype, name, node.store)


def _tensor(item: Any) -> Any:
    return item.tensor if isinstance(item, Unknown) else item


def _each(of_numbers: Callable[..., Any], of_tensors: Callable[..., Any]) -> Items:
    def one(*items: Any) -> Any:
        if any(isinstance(item, Unknown) for item in items):
            return Unknown(of_tensors(*map(_tensor, items)))
        return of_numbers(*items)

    def each(node: Any, *operands: Array) -> Array:
        first, *rest = operands
        result = np.frompyfunc(one, len(operands), 1)(first, *rest)
        return _items(result)

    return each


def _items(result: Any) -> Array:
    if isinstance(result, np.ndarray):
        return result
    whole = np.empty((), object)
    whole[()] = result
    return whole


def _pairwise(of_numbers: Callable[..., Any], of_tensors: Callable[..., Any]) -> Items:
    each = _each(of_numbers, of_tensors)

    def all_of(node: Any, first: Array, *rest: Array) -> Any:
        for other in rest:
            first = each(node, first, other)  # type: ignore[assignment]
        return first

    return all_of


def _known(items: Array) -> bool:
    return not any(isinstance(item, Unknown) for item in items.flat)


def _gather(node: Any, items: Array, indices: Array) -> Array | None:
    if not _known(indices) or items.ndim != 1:
        return None
    return _items(items[indices.astype(np.int64)])


def _concat(node: Any, *parts: Array) -> Array:
    return np.concatenate(parts)


def _slice(node: Any, items: Array, *inputs: Array | None) -> Array | None:
    given = [*inputs, None, None, None, None][:4]
    starts, ends, _, steps = (
        node.get(name) if part is None else part.tolist()
        for name, part in zip(("starts", "ends", "axes", "steps"), given, strict=True)
    )
    if items.ndim != 1 or any(isinstance(bound, Unknown) for bound in [*starts, *ends]):
        return None
    return items[starts[0] : ends[0] : (steps or [1])[0]]


def _reshape(node: Any, items: Array, target: Array) -> Array | None:
    return items.reshape(target.astype(np.int64)) if _known(target) and target.size <= 1 else None


def _unsqueeze(node: Any, items: Array, axes: Array | None = None) -> Array | None:
    return items.reshape(1) if items.ndim == 0 else None


def _squeeze(node: Any, items: Array, axes: Array | None = None) -> Array:
    return items.reshape(()) if items.size == 1 else items


def _cast(node: Any, items: Array) -> Array | None:
    if node.get("to") not in (onnx.TensorProto.INT64, onnx.TensorProto.INT32):
        return None
    to = tf.as_dtype(helper.tensor_dtype_to_np_dtype(node.get("to")))
    return _each(int, lambda x: tf.cast(x, tf.int64 if to.is_integer else to))(node, items)  # type: ignore[return-value]


def _split(node: Any, items: Array, sizes: Array | None = None) -> list[Array] | None:
    parts = node.get("split") if sizes is None else sizes.tolist()
    return None if not parts or not all(isinstance(p, int) for p in parts) else np.split(items, np.cumsum(parts)[:-1])


def _product(node: Any, items: Array, axes: Array | None = None) -> Array:
    result = _items(1)
    for item in items.flat:
        result = _RULES["Mul"](node, result, _items(item))  # type: ignore[assignment]
    return result if not node.get("keepdims") else result.reshape((1,) * items.ndim)


def _where(node: Any, condition: Array, x: Array, y: Array) -> Any:
    def chosen(c: Any, a: Any, b: Any) -> Any:
        if not isinstance(c, Unknown):
            return a if c else b
        return Unknown(tf.where(c.tensor, *(tf.cast(_tensor(v), tf.int64) for v in (a, b))))

    return _items(np.frompyfunc(chosen, 3, 1)(condition, x, y))


def _divided(a: int, b: int) -> int:
    """Towards zero, as C does."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _int64(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: function(*(tf.cast(operand, tf.int64) for operand in operands))


_RULES: dict[str, Items] = {
    "Abs": _each(abs, tf.abs),
    "Add": _pairwise(operator.add, _int64(tf.add)),
    "Cast": _cast,
    "Concat": _concat,
    "Div": _pairwise(_divided, _int64(tf.truncatediv)),
    "Equal": _pairwise(operator.eq, _int64(tf.equal)),
    "Gather": _gather,
    "Greater": _pairwise(operator.gt, _int64(tf.greater)),
    "GreaterOrEqual": _pairwise(operator.ge, _int64(tf.greater_equal)),
    "Identity": lambda node, items: items,
    "Less": _pairwise(operator.lt, _int64(tf.less)),
    "LessOrEqual": _pairwise(operator.le, _int64(tf.less_equal)),
    "Max": _pairwise(max, _int64(tf.maximum)),
    "Min": _pairwise(min, _int64(tf.minimum)),
    "Mod": _pairwise(operator.mod, _int64(tf.math.floormod)),
    "Mul": _pairwise(operator.mul, _int64(tf.multiply)),
    "Neg": _each(operator.neg, tf.negative),
    "Not": _each(operator.not_, tf.logical_not),
    "ReduceProd": _product,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _pairwise(operator.sub, _int64(tf.subtract)),
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
