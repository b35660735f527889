"""Pooling, channels-last as the convolutions are."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value, channels_last


def _batched(x: Value, spatial: int) -> Value:
    return x if x.rank == spatial + 2 else Value(x.tensor[None])


def _finished(data: Any, like: Value) -> Value:
    result = Value(data, channels_last(data.shape.rank))
    return result if like.rank == result.rank else Value(result.tensor[0])


def _each(amount: Any, spatial: int) -> list[Any]:
    amounts = amount if isinstance(amount, list) else [amount]
    return amounts * spatial if len(amounts) == 1 else amounts


def _ends(sizes: list[Any], window: list[int], stride: list[int], padding: list[int], ceil_mode: bool) -> list[Any]:
    """Padding after each axis. With `ceil_mode` a last, partial window counts if it begins inside the padded input."""
    if not ceil_mode:
        return list(padding)
    ends = []
    for size, w, s, p in zip(sizes, window, stride, padding, strict=True):
        count = symbolic.ceil_div(size + 2 * p - w, s) + 1
        begins_inside = (count - 1) * s < size + p
        less = (0 if begins_inside else 1) if isinstance(begins_inside, bool) else tf.cast(~begins_inside, tf.int32)
        ends.append(symbolic.maximum((count - less - 1) * s + w - size - p, p if symbolic.is_known(size) else 0))
    return ends


def _pad(x: Any, before: list[int], after: list[Any], value: Any) -> Any:
    if symbolic.is_known(*before, *after) and not any([*before, *after]):
        return x
    pairs = [(0, 0), *zip(before, after, strict=True), (0, 0)]
    return tf.pad(x, [list(pair) for pair in pairs], constant_values=value)


def _lowest(dtype: Any) -> Any:
    return tf.constant(dtype.min if dtype.is_integer else float("-inf"), dtype)


@rule("aten.max_pool2d.default", "aten.max_pool3d.default", lazy=True)
def max_pool(
    context: Any, self: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Value:
    spatial = len(kernel_size)
    window, padding, dilation = (_each(a, spatial) for a in (kernel_size, padding, dilation))
    stride = _each(stride or window, spatial)
    x = _batched(self, spatial).stored(channels_last(spatial + 2))
    spans = [d * (w - 1) + 1 for d, w in zip(dilation, window, strict=True)]
    after = _ends(symbolic.sizes(x)[1:-1], spans, stride, padding, ceil_mode)
    x = _pad(x, padding, after, _lowest(x.dtype))
    if all(d == 1 for d in dilation):
        return _finished(tf.nn.max_pool(x, window, stride, "VALID"), self)
    dense = tf.nn.pool(x, window, "MAX", padding="VALID", dilations=dilation)
    steps = tuple(slice(None, None, s) for s in stride)
    return _finished(dense[(slice(None), *steps, slice(None))], self)


@rule("aten.max_pool2d_with_indices.default", "aten.max_pool3d_with_indices.default", lazy=True)
def max_pool_with_indices(
    context: Any, self: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> list[Any]:
    # The positions are for unpooling, which no rule does: a model that uses them stops at its own operator.
    return [max_pool(context, self, kernel_size, stride, padding, dilation, ceil_mode), None]


def _average(
    x: Value,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Value:
    spatial = len(kernel_size)
    window, padding = (_each(a, spatial) for a in (kernel_size, padding))
    stride = _each(stride or window, spatial)
    data = _batched(x, spatial).stored(channels_last(spatial + 2))
    after = _ends(symbolic.sizes(data)[1:-1], window, stride, padding, ceil_mode)
    mean = _window_mean(_pad(data, padding, after, 0), window, stride)
    elements = symbolic.product(window)
    if divisor is not None:
        return _finished(mean * (elements / divisor), x)
    if all(p == 0 for p in padding) and not ceil_mode:
        return _finished(mean, x)
    ones = tf.ones_like(data[:1, ..., :1])
    if count_include_pad:
        ones, after = _pad(ones, padding, padding, 1), [a - p for a, p in zip(after, padding, strict=True)]
        share = _window_mean(_pad(ones, [0] * spatial, after, 0), window, stride)
    else:
        share = _window_mean(_pad(ones, padding, after, 0), window, stride)
    return _finished(mean / share, x)


def _window_mean(x: Any, window: list[int], stride: list[int]) -> Any:
    return tf.nn.avg_pool(x, window, stride, "VALID")


@rule("aten.avg_pool1d.default", lazy=True)
def average_pool_1d(
    context: Any, self: Value, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool
) -> Value:
    return _average(self, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@rule("aten.avg_pool2d.default", "aten.avg_pool3d.default", lazy=True)
def average_pool(
    context: Any,
    self: Value,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Value:
    return _average(self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@rule(
    *(f"aten.adaptive_avg_pool{n}d.default" for n in (1, 2, 3)),
    lazy=True,
)
def adaptive_average_pool(context: Any, self: Value, output_size: list[Any]) -> Value:
    return _adaptive(self, output_size, tf.nn.avg_pool, tf.reduce_mean, _average_bins)


@rule(*(f"aten.adaptive_max_pool{n}d.default" for n in (1, 2, 3)), lazy=True)
def adaptive_max_pool(context: Any, self: Value, output_size: list[Any]) -> list[Any]:
    return [_adaptive(self, output_size, tf.nn.max_pool, tf.reduce_max, _largest_of_bins), None]


def _adaptive(x: Value, output: list[Any], pool: Any, reduce: Any, bins: Any) -> Value:
    """Bin `i` of `n` covers ⌊i·size/n⌋ … ⌈(i+1)·size/n⌉."""
    spatial = len(output)
    data = _batched(x, spatial).stored(channels_last(spatial + 2))
    sizes = symbolic.sizes(data)[1:-1]
    if all(isinstance(n, int) and n == 1 for n in output):
        return _finished(reduce(data, list(range(1, spatial + 1)), keepdims=True), x)
    if symbolic.is_known(*sizes, *output) and all(size % n == 0 for size, n in zip(sizes, output, strict=True)):
        window = [size // n for size, n in zip(sizes, output, strict=True)]
        return _finished(pool(data, window, window, "VALID"), x)
    for axis, n in enumerate(output, 1):
        data = bins(data, axis, n)
    return _finished(data, x)


def _average_bins(x: Any, axis: int, n: Any) -> Any:
    """As a product with the matrix of each bin's shares, which does for a size known only at run time."""
    size = symbolic.sizes(x)[axis]
    index, position = tf.range(n)[:, None], tf.range(size)[None, :]
    start, end = index * size // n, -((-(index + 1) * size) // n)
    inside = tf.cast((position >= start) & (position < end), x.dtype)
    shares = inside / tf.reduce_sum(inside, 1, keepdims=True)
    rank = x.shape.rank
    last = [*(a for a in range(rank) if a != axis), axis]
    moved = tf.linalg.matmul(tf.transpose(x, last), shares, transpose_b=True)
    return tf.transpose(moved, [last.index(a) for a in range(rank)])


def _largest_of_bins(x: Any, axis: int, n: Any) -> Any:
    size = symbolic.sizes(x)[axis]
    if not symbolic.is_known(size, n):
        raise ValueError("adaptive maximum pooling needs a size known beforehand, unless it pools to one element")
    ahead = (slice(None),) * axis
    parts = [x[(*ahead, slice(i * size // n, -(-(i + 1) * size // n)))] for i in range(n)]
    return tf.concat([tf.reduce_max(part, axis, keepdims=True) for part in parts], axis)
