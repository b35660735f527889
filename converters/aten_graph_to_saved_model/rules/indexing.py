"""Gathering and scattering by index tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.elementwise import cast
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight


def _from_the_front(indices: Any, size: Any) -> Any:
    """torch counts negative indices from the end; TensorFlow has none."""
    return tf.where(indices < 0, indices + tf.cast(size, indices.dtype), indices)


@rule("aten.embedding.default", lazy=True)
def embedding(context: Any, weight: Value, indices: Value, **_: Any) -> Any:
    # Its other arguments speak of gradients.
    return weight.rows(indices.tensor) if isinstance(weight, Weight) else tf.gather(weight.tensor, indices.tensor)


@rule("aten.index_select.default")
def index_select(context: Any, self: Any, dim: int, index: Any) -> Any:
    if self.shape.rank == 0:
        return self
    return tf.gather(self, _from_the_front(tf.reshape(index, [-1]), symbolic.sizes(self)[dim]), axis=dim)


@rule("aten.gather.default")
def gather(context: Any, self: Any, dim: int, index: Any, sparse_grad: bool) -> Any:
    """result[i][j] = self[index[i][j]][j] for dim 0: the index may be shorter than `self` along the other axes."""
    if self.shape.rank == 0:
        return tf.reshape(self, tf.shape(index))
    return tf.gather_nd(self, _places(index, dim, self))


@rule("aten.take_along_dim.default")
def take_along(context: Any, self: Any, indices: Any, dim: int | None) -> Any:
    if dim is None:
        return tf.gather(tf.reshape(self, [-1]), tf.reshape(indices, [-1]))
    return gather(context, self, dim, indices, False)


@rule("aten.take.default")
def take(context: Any, self: Any, index: Any) -> Any:
    flat = tf.reshape(self, [-1])
    return tf.gather(flat, _from_the_front(index, tf.size(flat)))


def _places(index: Any, dim: int, target: Any) -> Any:
    """(…index shape…, rank): where each element of `index` points in `target`."""
    index = tf.cast(index, tf.int64)
    axis = dim % target.shape.rank
    index = _from_the_front(index, symbolic.sizes(target)[axis])
    grid = tf.meshgrid(*(tf.range(tf.cast(s, tf.int64)) for s in symbolic.sizes(index)), indexing="ij")
    return tf.stack([index if a == axis else grid[a] for a in range(len(grid))], -1)


def _updates(source: Any, index: Any, dtype: Any) -> Any:
    """The part of `source` that the index covers, or a number everywhere."""
    if not tf.is_tensor(source) or source.shape.rank == 0:
        return tf.fill(tf.shape(index), cast(source, dtype))
    return tf.cast(source[tuple(slice(0, size) for size in symbolic.sizes(index))], dtype)


@rule("aten.scatter.src", "aten.scatter.value")
def scatter(context: Any, self: Any, dim: int, index: Any, src: Any = None, value: Any = None) -> Any:
    source = value if src is None else src
    return tf.tensor_scatter_nd_update(self, _places(index, dim, self), _updates(source, index, self.dtype))


@rule("aten.scatter_add.default")
def scatter_add(context: Any, self: Any, dim: int, index: Any, src: Any) -> Any:
    return tf.tensor_scatter_nd_add(self, _places(index, dim, self), _updates(src, index, self.dtype))


@rule("aten.scatter_reduce.two")
def scatter_reduce(context: Any, self: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> Any:
    functions = {
        "sum": tf.tensor_scatter_nd_add,
        "amax": tf.tensor_scatter_nd_max,
        "amin": tf.tensor_scatter_nd_min,
    }
    if reduce not in functions or not include_self:
        raise ValueError(f"the reduction '{reduce}' with include_self={include_self} has no rule")
    return functions[reduce](self, _places(index, dim, self), _updates(src, index, self.dtype))


@rule("aten.index_add.default")
def index_add(context: Any, self: Any, dim: int, index: Any, source: Any, alpha: Any) -> Any:
    return _by_rows(tf.tensor_scatter_nd_add, self, dim, index, source * tf.cast(alpha, source.dtype))


@rule("aten.index_copy.default")
def index_copy(context: Any, self: Any, dim: int, index: Any, source: Any) -> Any:
    return _by_rows(tf.tensor_scatter_nd_update, self, dim, index, source)


@rule("aten.index_fill.int_Scalar", "aten.index_fill.int_Tensor")
def index_fill(context: Any, self: Any, dim: int, index: Any, value: Any) -> Any:
    axis = dim % self.shape.rank
    positions = tf.range(symbolic.sizes(self)[axis])[:, None]
    chosen = tf.reduce_any(positions == tf.cast(tf.reshape(index, [-1]), tf.int32), 1)
    chosen = tf.reshape(chosen, [-1 if a == axis else 1 for a in range(self.shape.rank)])
    return tf.where(chosen, cast(value, self.dtype), self)


def _by_rows(function: Any, x: Any, dim: int, index: Any, source: Any) -> Any:
    rank = x.shape.rank
    front = [dim % rank, *(a for a in range(rank) if a != dim % rank)]
    places = _from_the_front(tf.reshape(index, [-1, 1]), symbolic.sizes(x)[dim % rank])
    result = function(tf.transpose(x, front), places, tf.transpose(tf.cast(source, x.dtype), front))
    return tf.transpose(result, [front.index(a) for a in range(rank)])


@rule("aten.index.Tensor")
def index(context: Any, self: Any, indices: list[Any]) -> Any:
    """NumPy's advanced indexing: None keeps an axis whole, a boolean tensor stands for where it is true."""
    x, indices = _without_booleans(self, indices)
    axes = [axis for axis, chosen in enumerate(indices) if chosen is not None]
    chosen = [_from_the_front(indices[axis], symbolic.sizes(x)[axis]) for axis in axes]
    if len(axes) == 1:
        return tf.gather(x, chosen[0], axis=axes[0])
    kept = [axis for axis in range(x.shape.rank) if axis not in axes]
    places, rank = _together(chosen)
    result = tf.gather_nd(tf.transpose(x, axes + kept), places)
    # Axes side by side are replaced where they stood; otherwise the result's come first.
    side_by_side = axes == list(range(axes[0], axes[-1] + 1))
    before = axes[0] if side_by_side else 0
    moved = [*range(rank, rank + before), *range(rank), *range(rank + before, result.shape.rank)]
    return tf.transpose(result, moved)


def _without_booleans(x: Any, indices: Sequence[Any]) -> tuple[Any, list[Any]]:
    result: list[Any] = []
    for chosen in indices:
        if chosen is not None and chosen.dtype == tf.bool:
            result += tf.unstack(tf.where(chosen), num=chosen.shape.rank, axis=1)
        else:
            result.append(chosen)
    return x, result


def _together(chosen: Sequence[Any]) -> tuple[Any, int]:
    """Index tensors broadcast and stacked last, and the rank of what they broadcast to."""
    chosen = [tf.cast(c, tf.int64) for c in chosen]
    rank = max(c.shape.rank for c in chosen)
    shape = tf.shape(chosen[0])
    for other in chosen[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(other))
    places = tf.stack([tf.broadcast_to(c, shape) for c in chosen], -1)
    places.set_shape([None] * rank + [len(chosen)])
    return places, rank


@rule("aten.index_put.default", "aten._unsafe_index_put.default")
def index_put(context: Any, self: Any, indices: list[Any], values: Any, accumulate: bool) -> Any:
    x, indices = _without_booleans(self, indices)
    axes = [axis for axis, chosen in enumerate(indices) if chosen is not None]
    kept = [axis for axis in range(x.shape.rank) if axis not in axes]
    if axes != list(range(axes[0], axes[-1] + 1)) or (axes[0] > 0 and values.shape.rank > len(kept)):
        raise ValueError("assignment to indices that do not come first has no rule")
    places, _ = _together([_from_the_front(indices[a], symbolic.sizes(x)[a]) for a in axes])
    moved = tf.transpose(x, axes + kept)
    shape = tf.concat([tf.shape(places)[:-1], tf.shape(moved)[len(axes) :]], 0)
    updates = tf.broadcast_to(tf.cast(values, x.dtype), shape)
    function = tf.tensor_scatter_nd_add if accumulate else tf.tensor_scatter_nd_update
    back = [(axes + kept).index(a) for a in range(x.shape.rank)]
    return tf.transpose(function(moved, places, updates), back)


rule("aten._unsafe_index.Tensor")(index)


@rule("aten.masked_select.default")
def masked_select(context: Any, self: Any, mask: Any) -> Any:
    shape = tf.broadcast_dynamic_shape(tf.shape(self), tf.shape(mask))
    x, places = tf.broadcast_to(self, shape), tf.broadcast_to(mask, shape)
    return tf.gather_nd(x, tf.where(places))


@rule("aten.nonzero.default")
def nonzero(context: Any, self: Any) -> Any:
    return tf.where(self if self.dtype == tf.bool else self != 0)


@rule("aten.nonzero_numpy.default")
def nonzero_by_axis(context: Any, self: Any) -> list[Any]:
    return tf.unstack(nonzero(context, self), num=self.shape.rank, axis=1)


@rule("aten.argwhere.default")
def argwhere(context: Any, self: Any) -> Any:
    return nonzero(context, self)


@rule("aten.one_hot.default")
def one_hot(context: Any, self: Any, num_classes: int) -> Any:
    if num_classes < 0:
        raise ValueError("one_hot without a number of classes has no rule")
    return tf.one_hot(self, num_classes, dtype=tf.int64)
