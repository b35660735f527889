"""Reductions. The order in which axes are stored stays, so that a mean over an image moves no data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.values import Order, Value
from optimize.converters.onnx_to_saved_model.rules.registry import rule
from optimize.converters.onnx_to_saved_model.rules.shape import axes_of

Reduction = Callable[..., Any]


def _reduced(node: Any, x: Value, axes: Value | None, function: Reduction) -> Value:
    given = axes_of(node, axes)
    if not given and node.get("noop_with_empty_axes", 0):
        return Value(function(x.data[None], [0], keepdims=False), x.order)
    gone = {axis % x.rank for axis in given} if given else set(range(x.rank))
    result = function(x.data, [x.order[axis] for axis in sorted(gone)], keepdims=bool(node.get("keepdims")))
    return Value(result, x.order if node.get("keepdims") else _without(x.order, gone))


def _without(order: Order, gone: set[int]) -> Order:
    places = [place for axis, place in enumerate(order) if axis not in gone]
    return tuple(sorted(places).index(place) for place in places)


def _mean(x: Any, axes: Any, keepdims: bool) -> Any:
    return tf.reduce_mean(x, axes, keepdims)


def _largest(x: Any, axes: Any, keepdims: bool) -> Any:
    return (tf.reduce_any if x.dtype == tf.bool else tf.reduce_max)(x, axes, keepdims)


def _smallest(x: Any, axes: Any, keepdims: bool) -> Any:
    return (tf.reduce_all if x.dtype == tf.bool else tf.reduce_min)(x, axes, keepdims)


def _root_of_squares(x: Any, axes: Any, keepdims: bool) -> Any:
    wide = tf.cast(x, tf.float64) if x.dtype.is_integer else x
    return tf.cast(tf.sqrt(tf.reduce_sum(tf.square(wide), axes, keepdims)), x.dtype)


_REDUCTIONS: dict[str, Reduction] = {
    "ReduceL1": lambda x, axes, keepdims: tf.reduce_sum(tf.abs(x), axes, keepdims),
    "ReduceL2": _root_of_squares,
    "ReduceLogSum": lambda x, axes, keepdims: tf.math.log(tf.reduce_sum(x, axes, keepdims)),
    "ReduceLogSumExp": tf.reduce_logsumexp,
    "ReduceMax": _largest,
    "ReduceMean": _mean,
    "ReduceMin": _smallest,
    "ReduceProd": tf.reduce_prod,
    "ReduceSum": tf.reduce_sum,
    "ReduceSumSquare": lambda x, axes, keepdims: tf.reduce_sum(tf.square(x), axes, keepdims),
}


def _register(operator: str, function: Reduction) -> None:
    @rule(operator)
    def reduce(node: Any, x: Value, axes: Value | None = None) -> Value:
        return _reduced(node, x, axes, function)


for _operator, _function in _REDUCTIONS.items():
    _register(_operator, _function)
