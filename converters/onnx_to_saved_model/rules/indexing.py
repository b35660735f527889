"""Choosing, placing and ordering elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight
from optimize.converters.onnx_to_saved_model.rules.registry import rule
from optimize.converters.onnx_to_saved_model.values import known, numbers


def _counted(indices: Value, size: Any) -> Any:
    """Indices from the front; ONNX also counts from the back, by negative ones."""
    if isinstance(indices, Weight):
        array = indices.value.astype(np.int64)
        if (array >= 0).all():
            return tf.constant(array)
        if isinstance(size, int):
            return tf.constant(np.where(array < 0, array + size, array))
    tensor = indices.tensor
    return tf.where(tensor < 0, tensor + tf.cast(size, tensor.dtype), tensor)


@rule("Gather")
def gather(node: Any, x: Value, indices: Value) -> Any:
    axis = node.get("axis") % x.rank
    places = _counted(indices, x.size(axis))
    if axis == 0 and isinstance(x, Weight):
        return x.rows(places)
    return tf.gather(x.tensor, places, axis=axis)


@rule("GatherElements")
def gather_elements(node: Any, x: Value, indices: Value) -> Any:
    return tf.gather_nd(x.tensor, _coordinates(indices, node.get("axis") % x.rank, x))


def _coordinates(indices: Value, axis: int, x: Value) -> Any:
    """(…, rank): where each element of `indices` points, its own place but along `axis`."""
    places = _counted(indices, x.size(axis))
    sizes = symbolic.sizes(places)
    parts = []
    for other in range(x.rank):
        own = tf.reshape(tf.range(sizes[other]), [-1 if a == other else 1 for a in range(x.rank)])
        parts.append(places if other == axis else tf.broadcast_to(tf.cast(own, places.dtype), symbolic.shape(sizes)))
    return tf.stack(parts, -1)


@rule("GatherND")
def gather_nd(node: Any, x: Value, indices: Value) -> Any:
    batch = node.get("batch_dims", 0)
    return tf.gather_nd(x.tensor, _counted_from_all(indices, x, batch), batch_dims=batch)


def _counted_from_all(indices: Value, x: Value, batch: int) -> Any:
    if isinstance(indices, Weight) and (indices.value >= 0).all():
        return indices.tensor
    depth = int(indices.shape[-1] or 0)
    sizes = tf.cast(symbolic.shape([x.size(axis) for axis in range(batch, batch + depth)]), indices.dtype)
    return tf.where(indices.tensor < 0, indices.tensor + sizes, indices.tensor)


_SCATTERS: dict[str, Callable[..., Any]] = {
    "none": tf.tensor_scatter_nd_update,
    "add": tf.tensor_scatter_nd_add,
    "max": tf.tensor_scatter_nd_max,
    "min": tf.tensor_scatter_nd_min,
}


def _scattered(node: Any, x: Any, indices: Any, updates: Any) -> Any:
    reduction = node.get("reduction", "none")
    if reduction == "mul":
        return x * _products(x, indices, updates)
    return _SCATTERS[reduction](x, indices, updates)


def _products(x: Any, indices: Any, updates: Any) -> Any:
    """Of the updates of each element, 1 where there are none."""
    depth = indices.shape[-1]
    sizes = tf.cast(tf.shape(x), indices.dtype)
    steps = tf.math.cumprod(sizes[:depth], exclusive=True, reverse=True)
    segments = tf.reduce_sum(indices * steps, -1)
    inner = tf.shape(x)[depth:]
    flat = tf.reshape(updates, tf.concat([[-1], inner], 0))
    count = tf.reduce_prod(sizes[:depth])
    return tf.reshape(tf.math.unsorted_segment_prod(flat, tf.reshape(segments, [-1]), count), tf.shape(x))


@rule("ScatterND")
def scatter_nd(node: Any, x: Value, indices: Value, updates: Value) -> Any:
    return _scattered(node, x.tensor, _counted_from_all(indices, x, 0), updates.tensor)


@rule("ScatterElements", "Scatter")
def scatter_elements(node: Any, x: Value, indices: Value, updates: Value) -> Any:
    places = _coordinates(indices, node.get("axis") % x.rank, x)
    flat = tf.reshape(places, [-1, x.rank])
    return _scattered(node, x.tensor, flat, tf.reshape(updates.tensor, [-1]))


@rule("OneHot")
def one_hot(node: Any, indices: Value, depth: Value, values: Value) -> Any:
    count = (numbers(depth) or [tf.cast(tf.reshape(depth.tensor, []), tf.int32)])[0]
    off, on = values.tensor[0], values.tensor[1]
    places = tf.cast(indices.tensor, tf.int64)
    places = tf.where(places < 0, places + tf.cast(count, tf.int64), places)
    hot = tf.one_hot(places, count, True, False, node.get("axis") % (indices.rank + 1), tf.bool)
    return tf.where(hot, on, off)


@rule("NonZero")
def non_zero(node: Any, x: Value) -> Any:
    return tf.transpose(tf.where(tf.cast(x.tensor, tf.bool)))


@rule("Compress")
def compress(node: Any, x: Value, condition: Value) -> Any:
    axis = node.get("axis")
    data = tf.reshape(x.tensor, [-1]) if axis is None else x.tensor
    places = tf.reshape(tf.where(condition.tensor), [-1])
    return tf.gather(data, places, axis=0 if axis is None else axis % x.rank)


@rule("TopK")
def top_k(node: Any, x: Value, k: Value | None = None) -> list[Any]:
    axis = node.get("axis") % x.rank
    count = node.get("k") if k is None else (numbers(k) or [tf.cast(tf.reshape(k.tensor, []), tf.int32)])[0]
    last = [*(a for a in range(x.rank) if a != axis), axis]
    data = tf.transpose(x.tensor, last)
    largest = node.get("largest", 1)
    order = data if largest else -(tf.cast(data, tf.int64) if data.dtype.is_integer else data)
    values, indices = tf.math.top_k(order, count)
    values = values if largest else tf.cast(-values, data.dtype)
    back = [last.index(a) for a in range(x.rank)]
    return [tf.transpose(values, back), tf.transpose(tf.cast(indices, tf.int64), back)]


def _extreme(node: Any, x: Value, function: Callable[..., Any]) -> Any:
    axis = node.get("axis") % x.rank
    data = tf.cast(x.tensor, tf.int32) if x.dtype.is_integer and x.dtype.size < 4 else x.tensor
    if node.get("select_last_index", 0):
        found = tf.cast(x.size(axis), tf.int64) - 1 - function(tf.reverse(data, [axis]), axis)
    else:
        found = function(data, axis)
    return tf.expand_dims(found, axis) if node.get("keepdims") else found


@rule("ArgMax")
def arg_max(node: Any, x: Value) -> Any:
    return _extreme(node, x, tf.argmax)


@rule("ArgMin")
def arg_min(node: Any, x: Value) -> Any:
    return _extreme(node, x, tf.argmin)


@rule("CumSum")
def cumulative_sum(node: Any, x: Value, axis: Value) -> Any:
    (place,) = known(axis, "an axis")
    return tf.cumsum(x.tensor, place % x.rank, bool(node.get("exclusive")), bool(node.get("reverse")))


@rule("CumProd")
def cumulative_product(node: Any, x: Value, axis: Value) -> Any:
    (place,) = known(axis, "an axis")
    return tf.math.cumprod(x.tensor, place % x.rank, bool(node.get("exclusive")), bool(node.get("reverse")))


@rule("Unique")
def unique(node: Any, x: Value) -> list[Any]:
    """Of all elements. Sorted, or in the order in which they first occur."""
    if node.get("axis") is not None:
        raise ValueError("Unique along an axis has no rule")
    flat = tf.reshape(x.tensor, [-1])
    values, inverse, counts = tf.unique_with_counts(flat, tf.int64)
    first = tf.math.unsorted_segment_min(tf.range(tf.size(flat, tf.int64)), inverse, tf.size(values))
    if not node.get("sorted"):
        return [values, first, inverse, counts]
    order = tf.argsort(values, stable=True)
    rank = tf.cast(tf.argsort(order), tf.int64)
    return [*(tf.gather(part, order) for part in (values, first)), tf.gather(rank, inverse), tf.gather(counts, order)]
