"""Parts of tensors by position, and putting tensors together."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.elementwise import promoted
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight, plain


def _cut(x: Value, dim: int, part: slice) -> Value:
    cuts = [slice(None)] * x.rank
    cuts[x.order[dim % x.rank]] = part
    return Value(x.stored(x.order)[tuple(cuts)], x.order)


@rule("aten.slice.Tensor", lazy=True)
def slice_axis(context: Any, self: Value, dim: int, start: Any, end: Any, step: Any) -> Value:
    start, end = (None if isinstance(start, int) and start == 0 else start), symbolic.bound(end)
    if start is None and end is None and isinstance(step, int) and step == 1:
        return self
    return _cut(self, dim, slice(start, end, step))


@rule("aten.select.int")
def select(context: Any, self: Any, dim: int, index: Any) -> Any:
    return self[(slice(None),) * (dim % self.shape.rank) + (index,)]


@rule("aten.unbind.int")
def unbind(context: Any, self: Any, dim: int) -> list[Any]:
    return tf.unstack(self, axis=dim)


@rule("aten.split.Tensor", lazy=True)
def split(context: Any, self: Value, split_size: Any, dim: int) -> list[Value]:
    pieces = len(context.types)
    return [_cut(self, dim, slice(i * split_size, (i + 1) * split_size)) for i in range(pieces)]


@rule("aten.split_with_sizes.default", lazy=True)
def split_with_sizes(context: Any, self: Value, split_sizes: list[Any], dim: int) -> list[Value]:
    parts, start = [], 0
    for size in split_sizes:
        parts.append(_cut(self, dim, slice(start, start + size)))
        start = start + size
    return parts


@rule("aten.cat.default", "aten.concat.default", "aten.concatenate.default", lazy=True)
def concatenate(context: Any, tensors: list[Value], dim: int) -> Value:
    # torch lets an empty vector stand beside tensors of any rank.
    rank = len(context.shape)
    parts = [part for part in tensors if part.rank == rank]
    order = next((p.order for p in parts if not isinstance(p, Weight) and p.order != plain(rank)), plain(rank))
    return Value(tf.concat([tf.cast(p.stored(order), context.dtype) for p in parts], order[dim % rank]), order)


@rule("aten.stack.default")
def stack(context: Any, tensors: list[Any], dim: int) -> Any:
    dtype = promoted(*(Value(tensor) for tensor in tensors))
    return tf.stack([tf.cast(tensor, dtype) for tensor in tensors], axis=dim)


@rule("aten.hstack.default")
def stack_columns(context: Any, tensors: list[Any]) -> Any:
    rows = [tf.reshape(t, [1]) if t.shape.rank == 0 else t for t in tensors]
    return tf.concat(rows, 0 if rows[0].shape.rank == 1 else 1)


@rule("aten.select_scatter.default")
def replace_one(context: Any, self: Any, src: Any, dim: int, index: Any) -> Any:
    axis = dim % self.shape.rank
    here = _along(tf.range(symbolic.sizes(self)[axis]), axis, self.shape.rank) == tf.math.floormod(
        index, symbolic.sizes(self)[axis]
    )
    return tf.where(here, tf.cast(tf.expand_dims(src, axis), self.dtype), self)


def _along(vector: Any, axis: int, rank: int) -> Any:
    return tf.reshape(vector, [-1 if a == axis else 1 for a in range(rank)])


@rule("aten.slice_scatter.default")
def replace_slice(context: Any, self: Any, src: Any, dim: int, start: Any, end: Any, step: Any) -> Any:
    if start in (None, 0) and (end is None or symbolic.bound(end) is None) and step == 1:
        return tf.broadcast_to(tf.cast(src, self.dtype), tf.shape(self))
    axis = dim % self.shape.rank
    # The places that the slice takes, as TensorFlow's own slicing counts them.
    size = symbolic.sizes(self)[axis]
    places = tf.range(size)[slice(start, symbolic.bound(end), step)]
    front = [axis, *(a for a in range(self.shape.rank) if a != axis)]
    back = [front.index(a) for a in range(self.shape.rank)]
    update = tf.transpose(tf.cast(src, self.dtype), front)
    return tf.transpose(tf.tensor_scatter_nd_update(tf.transpose(self, front), places[:, None], update), back)


@rule("aten.diagonal_scatter.default")
def replace_diagonal(context: Any, self: Any, src: Any, offset: int, dim1: int, dim2: int) -> Any:
    rank = self.shape.rank
    pair = (dim1 % rank, dim2 % rank)
    front = [*(a for a in range(rank) if a not in pair), *pair]
    moved = tf.linalg.set_diag(tf.transpose(self, front), tf.cast(src, self.dtype), k=offset)
    return tf.transpose(moved, [front.index(a) for a in range(rank)])
