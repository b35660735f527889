"""Sorting and searching."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.elementwise import cast
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule


def _to_last(x: Any, dim: int) -> tuple[Any, list[int]]:
    rank = x.shape.rank
    axes = [a for a in range(rank) if a != dim % rank] + [dim % rank]
    return tf.transpose(x, axes), [axes.index(a) for a in range(rank)]


@rule("aten.topk.default")
def top(context: Any, self: Any, k: Any, dim: int, largest: bool, sorted: bool) -> list[Any]:
    last, back = _to_last(self, dim)
    values, positions = tf.math.top_k(last if largest else -last, k, sorted=True)
    return [tf.transpose(values if largest else -values, back), tf.transpose(positions, back)]


@rule("aten.sort.default")
def sort(context: Any, self: Any, dim: int, descending: bool) -> list[Any]:
    return _sorted(self, dim, descending)


@rule("aten.sort.stable")
def stable_sort(context: Any, self: Any, stable: bool | None, dim: int, descending: bool) -> list[Any]:
    return _sorted(self, dim, descending)


@rule("aten.argsort.default")
def argsort(context: Any, self: Any, dim: int, descending: bool) -> Any:
    return _sorted(self, dim, descending)[1]


@rule("aten.argsort.stable")
def stable_argsort(context: Any, self: Any, stable: bool, dim: int, descending: bool) -> Any:
    return _sorted(self, dim, descending)[1]


@rule("aten.msort.default")
def sort_rows(context: Any, self: Any) -> Any:
    return _sorted(self, 0, False)[0]


def _sorted(x: Any, dim: int, descending: bool) -> list[Any]:
    if x.shape.rank == 0:
        return [x, tf.zeros([], tf.int64)]
    last, back = _to_last(x, dim)
    positions = tf.argsort(last, direction="DESCENDING" if descending else "ASCENDING", stable=True)
    values = tf.gather(last, positions, axis=-1, batch_dims=last.shape.rank - 1)
    return [tf.transpose(values, back), tf.transpose(positions, back)]


@rule("aten.median.dim")
def median_along(context: Any, self: Any, dim: int, keepdim: bool) -> list[Any]:
    """The lower of the two in the middle."""
    middle = (tf.shape(self)[dim] - 1) // 2
    values, positions = _sorted(self, dim, False)
    picked = [tf.gather(part, middle, axis=dim) for part in (values, positions)]
    return [tf.expand_dims(part, dim) for part in picked] if keepdim else picked


@rule("aten.median.default")
def median(context: Any, self: Any) -> Any:
    flat = tf.sort(tf.reshape(self, [-1]))
    return flat[(tf.shape(flat)[0] - 1) // 2]


@rule("aten.kthvalue.default")
def nth_smallest(context: Any, self: Any, k: Any, dim: int, keepdim: bool) -> list[Any]:
    picked = [tf.gather(part, k - 1, axis=dim) for part in _sorted(self, dim, False)]
    return [tf.expand_dims(part, dim) for part in picked] if keepdim else picked


@rule("aten.bucketize.Tensor", "aten.bucketize.Scalar")
def bucketize(context: Any, self: Any, boundaries: Any, out_int32: bool, right: bool) -> Any:
    flat = tf.reshape(cast(self, boundaries.dtype), [-1])
    found = tf.searchsorted(boundaries, flat, side="right" if right else "left")
    return tf.reshape(found, tf.shape(self))


@rule("aten.searchsorted.Tensor")
def search(
    context: Any, sorted_sequence: Any, self: Any, out_int32: bool, right: bool, side: str | None, sorter: Any
) -> Any:
    if sorter is not None:
        raise ValueError("a sorter has no rule")
    side = side or ("right" if right else "left")
    if sorted_sequence.shape.rank == 1:
        return tf.reshape(tf.searchsorted(sorted_sequence, tf.reshape(self, [-1]), side=side), tf.shape(self))
    return tf.searchsorted(sorted_sequence, self, side=side)
