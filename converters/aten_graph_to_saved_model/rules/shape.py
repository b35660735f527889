"""Operators that move elements and compute nothing: reshaping, permuting, expanding, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.elementwise import cast
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value


@rule("aten.view.default", "aten._unsafe_view.default")
def view(context: Any, self: Any, size: list[Any]) -> Any:
    return symbolic.reshape(self, _known(context, size))


def _known(context: Any, sizes: list[Any]) -> list[Any]:
    """Where torch knows a size that the graph computes, torch's."""
    return [size if known is None else known for size, known in zip(sizes, context.shape, strict=True)]


@rule("aten.permute.default", lazy=True)
def permute(context: Any, self: Value, dims: list[int]) -> Value:
    return self.permuted([dim % self.rank for dim in dims])


@rule("aten.transpose.int", lazy=True)
def transpose(context: Any, self: Value, dim0: int, dim1: int) -> Value:
    axes = list(range(self.rank))
    if axes:
        axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return self.permuted(axes)


@rule("aten.t.default", lazy=True)
def transpose_matrix(context: Any, self: Value) -> Value:
    return self.permuted(range(self.rank)[::-1])


@rule("aten.squeeze.default", lazy=True)
def squeeze_all(context: Any, self: Value) -> Value:
    return squeeze_some(context, self, list(range(self.rank)))


@rule("aten.squeeze.dim", lazy=True)
def squeeze(context: Any, self: Value, dim: int) -> Value:
    return squeeze_some(context, self, [dim])


@rule("aten.squeeze.dims", lazy=True)
def squeeze_some(context: Any, self: Value, dim: list[int]) -> Value:
    axes = {axis % self.rank for axis in dim if self.shape[axis] == 1} if self.rank else set()
    return self.squeezed(sorted(axes)) if axes else self


@rule("aten.unsqueeze.default")
def unsqueeze(context: Any, self: Any, dim: int) -> Any:
    return tf.expand_dims(self, dim)


@rule("aten.expand.default")
def expand(context: Any, self: Any, size: list[Any], **_: Any) -> Any:
    missing = len(size) - self.shape.rank
    own = [None] * missing + symbolic.sizes(self)
    sizes = [mine if isinstance(asked, int) and asked == -1 else asked for mine, asked in zip(own, size, strict=True)]
    return _broadcast(self, sizes)


def _broadcast(x: Any, sizes: Sequence[Any]) -> Any:
    if symbolic.is_known(*sizes) and x.shape.as_list() == list(sizes):
        return x
    return tf.broadcast_to(x, symbolic.shape(sizes))


@rule("aten.broadcast_tensors.default")
def broadcast_tensors(context: Any, tensors: list[Any]) -> list[Any]:
    shape = tf.shape(tensors[0])
    for tensor in tensors[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(tensor))
    return [tf.broadcast_to(tensor, shape) for tensor in tensors]


@rule("aten.repeat.default")
def repeat(context: Any, self: Any, repeats: list[Any]) -> Any:
    sizes = [1] * (len(repeats) - self.shape.rank) + symbolic.sizes(self)
    return tf.tile(symbolic.reshape(self, sizes), symbolic.shape(repeats))


@rule("aten.tile.default")
def tile(context: Any, self: Any, dims: list[Any]) -> Any:
    return repeat(context, self, [1] * (self.shape.rank - len(dims)) + dims)


@rule("aten.repeat_interleave.self_int")
def repeat_each(context: Any, self: Any, repeats: Any, dim: int | None, output_size: Any) -> Any:
    return tf.repeat(tf.reshape(self, [-1]) if dim is None else self, repeats, axis=0 if dim is None else dim)


@rule("aten.repeat_interleave.self_Tensor")
def repeat_by_tensor(context: Any, self: Any, repeats: Any, dim: int | None, output_size: Any) -> Any:
    return repeat_each(context, self, repeats, dim, output_size)


@rule("aten.repeat_interleave.Tensor")
def repeat_indices(context: Any, repeats: Any, output_size: Any) -> Any:
    return tf.repeat(tf.range(tf.shape(repeats)[0]), repeats)


@rule("aten.flip.default", lazy=True)
def flip(context: Any, self: Value, dims: list[int]) -> Value:
    return Value(tf.reverse(self.stored(self.order), [self.order[dim % self.rank] for dim in dims]), self.order)


@rule("aten.roll.default")
def roll(context: Any, self: Any, shifts: list[Any], dims: list[int]) -> Any:
    if not dims:
        return tf.reshape(tf.roll(tf.reshape(self, [-1]), shifts[0], 0), tf.shape(self))
    return tf.roll(self, shifts, dims)


@rule("aten.rot90.default")
def rotate(context: Any, self: Any, k: int, dims: list[int]) -> Any:
    rank = self.shape.rank
    first, second = (dim % rank for dim in dims)
    swapped = [second if axis == first else first if axis == second else axis for axis in range(rank)]
    for _ in range(k % 4):
        self = tf.transpose(tf.reverse(self, [second]), swapped)
    return self


@rule("aten.meshgrid.indexing")
def meshgrid_indexing(context: Any, tensors: list[Any], indexing: str) -> list[Any]:
    return list(tf.meshgrid(*(tf.reshape(tensor, [-1]) for tensor in tensors), indexing=indexing))


@rule("aten.pixel_shuffle.default")
def pixel_shuffle(context: Any, self: Any, upscale_factor: int) -> Any:
    """(…, C·r², H, W) → (…, C, H·r, W·r), channel c·r² + i·r + j going to (c, h·r + i, w·r + j)."""
    r = upscale_factor
    *lead, c, h, w = symbolic.sizes(self)
    split = symbolic.reshape(self, [symbolic.product(lead), c // (r * r), r, r, h, w])
    return symbolic.reshape(tf.transpose(split, (0, 1, 4, 2, 5, 3)), [*lead, c // (r * r), h * r, w * r])


@rule("aten.pixel_unshuffle.default")
def pixel_unshuffle(context: Any, self: Any, downscale_factor: int) -> Any:
    r = downscale_factor
    *lead, c, h, w = symbolic.sizes(self)
    split = symbolic.reshape(self, [symbolic.product(lead), c, h // r, r, w // r, r])
    return symbolic.reshape(tf.transpose(split, (0, 1, 3, 5, 2, 4)), [*lead, c * r * r, h // r, w // r])


@rule("aten.channel_shuffle.default")
def channel_shuffle(context: Any, self: Any, groups: int) -> Any:
    n, c, *spatial = symbolic.sizes(self)
    split = symbolic.reshape(self, [n, groups, c // groups, symbolic.product(spatial)])
    return symbolic.reshape(tf.transpose(split, (0, 2, 1, 3)), [n, c, *spatial])


@rule("aten.constant_pad_nd.default", lazy=True)
def constant_pad(context: Any, self: Value, pad: list[Any], value: Any) -> Value:
    before, after = _pairs(pad, self.rank)
    x = self.stored(self.order)
    if any(isinstance(amount, int) and amount < 0 for amount in pad):
        x = _cropped(x, self.order, before, after)
        before, after = ([symbolic.maximum(amount, 0) for amount in side] for side in (before, after))
    # A constant other than zero is another operation, which TensorFlow fuses with nothing.
    constant = 0 if value == 0 and x.dtype != tf.bool else cast(value, x.dtype)
    return Value(tf.pad(x, _stored_pairs(before, after, self.order), constant_values=constant), self.order)


def _pairs(pad: list[Any], rank: int) -> tuple[list[Any], list[Any]]:
    """torch lists the last axis first, as before, after, before, after."""
    missing = rank - len(pad) // 2
    return [0] * missing + pad[0::2][::-1], [0] * missing + pad[1::2][::-1]


def _stored_pairs(before: list[Any], after: list[Any], order: Sequence[int]) -> Any:
    pairs: list[Any] = [None] * len(order)
    for axis, start, end in zip(order, before, after, strict=True):
        pairs[axis] = [start, end]
    return pairs


def _cropped(x: Any, order: Sequence[int], before: list[Any], after: list[Any]) -> Any:
    """A negative amount cuts."""
    cuts: list[Any] = [slice(None)] * len(order)
    for axis, start, end in zip(order, before, after, strict=True):
        cuts[axis] = slice(max(-start, 0), min(end, 0) or None)
    return x[tuple(cuts)]


def _register_pad(mode: str, *operators: str) -> None:
    @rule(*operators, lazy=True)
    def pad_by_content(context: Any, self: Value, padding: list[Any]) -> Value:
        return _PADS[mode](self, padding)


def _reflection(x: Value, padding: list[Any]) -> Value:
    before, after = _pairs(padding, x.rank)
    return Value(tf.pad(x.stored(x.order), _stored_pairs(before, after, x.order), "REFLECT"), x.order)


def _by_index(x: Value, padding: list[Any], source: Any) -> Value:
    """Along each padded axis, `source(position, size)` says which element each place takes."""
    result = x.stored(x.order)
    for axis, before, after in zip(x.order, *_pairs(padding, x.rank), strict=True):
        if not (symbolic.is_known(before, after) and before == after == 0):
            size = symbolic.sizes(result)[axis]
            result = tf.gather(result, source(tf.range(-before, size + after), size), axis=axis)
    return Value(result, x.order)


def _replication(x: Value, padding: list[Any]) -> Value:
    return _by_index(x, padding, lambda position, size: tf.clip_by_value(position, 0, size - 1))


def _circular(x: Value, padding: list[Any]) -> Value:
    return _by_index(x, padding, tf.math.floormod)


_PADS = {"reflect": _reflection, "replicate": _replication, "circular": _circular}

_register_pad("reflect", *(f"aten.reflection_pad{n}d.default" for n in (1, 2, 3)))
_register_pad("replicate", *(f"aten.replication_pad{n}d.default" for n in (1, 2, 3)))


@rule("aten.pad.default", lazy=True)
def pad(context: Any, self: Value, pad: list[Any], mode: str, value: float | None) -> Value:
    return constant_pad(context, self, pad, value or 0) if mode == "constant" else _PADS[mode](self, pad)


@rule("aten.unfold.default")
def sliding_windows(context: Any, self: Any, dimension: int, size: Any, step: Any) -> Any:
    """Windows of `size` every `step` along one axis, the window's own axis put last."""
    axis = dimension % self.shape.rank
    count = (symbolic.sizes(self)[axis] - size) // step + 1
    indices = tf.range(count)[:, None] * step + tf.range(size)[None, :]
    windows = tf.gather(self, indices, axis=axis)
    rank = self.shape.rank + 1
    return tf.transpose(windows, [*(a for a in range(rank) if a != axis + 1), axis + 1])


@rule("aten.diagonal.default")
def diagonal(context: Any, self: Any, offset: int, dim1: int, dim2: int) -> Any:
    rank = self.shape.rank
    pair = (dim1 % rank, dim2 % rank)
    moved = tf.transpose(self, [*(a for a in range(rank) if a not in pair), *pair])
    return tf.linalg.diag_part(moved, k=offset)


@rule("aten.diag_embed.default")
def diagonal_matrix(context: Any, self: Any, offset: int, dim1: int, dim2: int) -> Any:
    matrix = tf.linalg.diag(self, k=offset)
    rank = matrix.shape.rank
    rest = iter(range(rank - 2))
    places = {dim1 % rank: rank - 2, dim2 % rank: rank - 1}
    return tf.transpose(matrix, [places[a] if a in places else next(rest) for a in range(rank)])


@rule("aten.tril.default")
def lower_triangle(context: Any, self: Any, diagonal: Any) -> Any:
    return tf.where(_column_less_row(self) <= diagonal, self, tf.zeros_like(self))


@rule("aten.triu.default")
def upper_triangle(context: Any, self: Any, diagonal: Any) -> Any:
    return tf.where(_column_less_row(self) >= diagonal, self, tf.zeros_like(self))


def _column_less_row(x: Any) -> Any:
    *_, rows, columns = symbolic.sizes(x)
    return tf.range(columns)[None, :] - tf.range(rows)[:, None]
