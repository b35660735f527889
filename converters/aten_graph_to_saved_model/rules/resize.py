"""Resampling of images and sequences.

Each axis is resampled on its own by a matrix of torch's own coefficients, made when the model runs from sizes that may
be known only then; where TensorFlow's image kernels compute the same, they are used instead.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value, channels_last


def _target(x: Value, output_size: list[Any] | None, scales: list[Any] | None) -> tuple[list[Any], list[Any]]:
    """New sizes, and per axis the scale to compute positions with, None where it is the sizes' own ratio."""
    if output_size is not None:
        return output_size, scales or [None] * len(output_size)
    old = [x.size(axis) for axis in range(2, x.rank)]
    factors = scales or [1.0] * len(old)
    return [_scaled(size, factor) for size, factor in zip(old, factors, strict=True)], list(factors)


def _scaled(size: Any, factor: float) -> Any:
    if isinstance(size, int):
        return int(size * factor)
    if float(factor).is_integer():
        return size * int(factor)
    return tf.cast(tf.math.floor(tf.cast(size, tf.float64) * factor), tf.int32)


def _step(old: Any, new: Any, scale: float | None) -> Any:
    """Distance in the old axis between neighbours of the new."""
    if scale is not None and scale > 0:
        return tf.constant(1.0 / scale, tf.float32)
    return tf.cast(old, tf.float32) / tf.cast(new, tf.float32)


def _exact(old: Any, new: Any, scale: float | None) -> bool:
    """Whether the scale given is the ratio of the sizes, which is all that TensorFlow's kernels know."""
    if scale is None:
        return True
    if symbolic.is_known(old, new):
        return bool(abs(old * scale - new) < 1e-6)
    return float(scale).is_integer()


def _centres(new: Any, old: Any, step: Any, align_corners: bool) -> Any:
    place = tf.cast(tf.range(new), tf.float32)
    if align_corners:
        return place * tf.cast(old - 1, tf.float32) / tf.cast(symbolic.maximum(new - 1, 1), tf.float32)
    return (place + 0.5) * step - 0.5


def _along(x: Any, axis: int, matrix: Any) -> Any:
    """x with `axis` multiplied by matrix (new, old)."""
    rank = x.shape.rank
    last = [*(a for a in range(rank) if a != axis), axis]
    moved = tf.linalg.matmul(tf.transpose(x, last), tf.cast(matrix, x.dtype), transpose_b=True)
    return tf.transpose(moved, [last.index(a) for a in range(rank)])


def _linear_matrix(old: Any, new: Any, scale: float | None, align_corners: bool) -> Any:
    centre = tf.maximum(_centres(new, old, _step(old, new, scale), align_corners), 0)
    lower = tf.minimum(tf.cast(centre, tf.int32), old - 1)
    share = (centre - tf.cast(lower, tf.float32))[:, None]
    upper = tf.minimum(lower + 1, old - 1)
    return tf.one_hot(lower, old) * (1 - share) + tf.one_hot(upper, old) * share


_CUBIC = -0.75  # torch's coefficient; TensorFlow's image kernel has -0.5


def _cubic_matrix(old: Any, new: Any, scale: float | None, align_corners: bool) -> Any:
    centre = _centres(new, old, _step(old, new, scale), align_corners)
    lower = tf.floor(centre)
    t = centre - lower
    a = _CUBIC
    near = [((a + 2) * d - (a + 3)) * d * d + 1 for d in (t, 1 - t)]
    far = [((a * d - 5 * a) * d + 8 * a) * d - 4 * a for d in (t + 1, 2 - t)]
    rows = tf.zeros([1, 1], tf.float32)
    for offset, weight in zip((-1, 0, 1, 2), (far[0], near[0], near[1], far[1]), strict=True):
        index = tf.clip_by_value(tf.cast(lower, tf.int32) + offset, 0, old - 1)
        rows = rows + tf.one_hot(index, old) * weight[:, None]
    return rows


def _by_matrices(x: Value, sizes: list[Any], scales: list[Any], align_corners: bool, matrix: Any) -> Value:
    data = x.stored(channels_last(x.rank))
    for axis, (new, scale) in enumerate(zip(sizes, scales, strict=True), 1):
        old = symbolic.sizes(data)[axis]
        data = _along(data, axis, matrix(old, new, scale, align_corners))
    return Value(data, channels_last(x.rank))


def _linear(x: Value, output_size: Any, scales: Any, align_corners: bool) -> Value:
    sizes, scales = _target(x, output_size, scales)
    old = [x.size(axis) for axis in range(2, x.rank)]
    exact = all(_exact(*each) for each in zip(old, sizes, scales, strict=True))
    if x.rank == 4 and x.dtype == tf.float32 and exact:
        data = tf.raw_ops.ResizeBilinear(
            images=x.stored(channels_last(4)),
            size=symbolic.shape(sizes),
            align_corners=align_corners,
            half_pixel_centers=not align_corners,
        )
        return Value(data, channels_last(4))
    return _by_matrices(x, sizes, scales, align_corners, _linear_matrix)


def _nearest(x: Value, output_size: Any, scales: Any, centre: bool) -> Value:
    """Element i takes ⌊i · step⌋, or with `centre` ⌊(i + ½) · step⌋."""
    sizes, scales = _target(x, output_size, scales)
    data = x.stored(channels_last(x.rank))
    for axis, (new, scale) in enumerate(zip(sizes, scales, strict=True), 1):
        old = symbolic.sizes(data)[axis]
        place = tf.cast(tf.range(new), tf.float32) + (0.5 if centre else 0.0)
        index = tf.minimum(tf.cast(tf.floor(place * _step(old, new, scale)), tf.int32), old - 1)
        data = tf.gather(data, index, axis=axis)
    return Value(data, channels_last(x.rank))


@rule(*(f"aten.upsample_nearest{n}d.vec" for n in (1, 2, 3)), lazy=True)
def nearest(context: Any, input: Value, output_size: Any, scale_factors: Any) -> Value:
    return _nearest(input, output_size, scale_factors, False)


@rule(*(f"aten._upsample_nearest_exact{n}d.vec" for n in (1, 2, 3)), lazy=True)
def nearest_exact(context: Any, input: Value, output_size: Any, scale_factors: Any) -> Value:
    return _nearest(input, output_size, scale_factors, True)


@rule("aten.upsample_linear1d.vec", "aten.upsample_bilinear2d.vec", "aten.upsample_trilinear3d.vec", lazy=True)
def linear(context: Any, input: Value, output_size: Any, align_corners: bool, scale_factors: Any) -> Value:
    return _linear(input, output_size, scale_factors, align_corners)


@rule("aten.upsample_bicubic2d.vec", lazy=True)
def cubic(context: Any, input: Value, output_size: Any, align_corners: bool, scale_factors: Any) -> Value:
    sizes, scales = _target(input, output_size, scale_factors)
    return _by_matrices(input, sizes, scales, align_corners, _cubic_matrix)


@rule("aten.grid_sampler.default")
def grid_sample(
    context: Any, input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """input (N, C, H, W), grid (N, h, w, 2) of x, y in [-1, 1] → (N, C, h, w); bilinear, zeros or border outside."""
    if interpolation_mode != 0 or padding_mode > 1:
        raise ValueError("grid sampling has a rule for bilinear interpolation with zeros or the border outside")
    image = tf.transpose(input, (0, 2, 3, 1))
    _, height, width, _ = symbolic.sizes(image)
    x, y = (_pixels(grid[..., axis], size, align_corners) for axis, size in ((0, width), (1, height)))
    if padding_mode == 1:
        x, y = (tf.clip_by_value(p, 0, tf.cast(size - 1, p.dtype)) for p, size in ((x, width), (y, height)))
    corners = [_corner(image, x, y, dx, dy) for dx in (0, 1) for dy in (0, 1)]
    return tf.transpose(tf.add_n(corners), (0, 3, 1, 2))


def _pixels(position: Any, size: Any, align_corners: bool) -> Any:
    size = tf.cast(size, position.dtype)
    return (position + 1) / 2 * (size - 1) if align_corners else ((position + 1) * size - 1) / 2


def _corner(image: Any, x: Any, y: Any, dx: int, dy: int) -> Any:
    """One neighbour's pixels times its share, zero outside the image."""
    _, height, width, _ = symbolic.sizes(image)
    column, row = tf.floor(x) + dx, tf.floor(y) + dy
    share = (1 - tf.abs(x - column)) * (1 - tf.abs(y - row))
    inside = (column >= 0) & (column < tf.cast(width, x.dtype)) & (row >= 0) & (row < tf.cast(height, x.dtype))
    places = [tf.clip_by_value(tf.cast(p, tf.int32), 0, size - 1) for p, size in ((row, height), (column, width))]
    pixels = tf.gather_nd(image, tf.stack(places, -1), batch_dims=1)
    return pixels * tf.where(inside, share, tf.zeros_like(share))[..., None]
