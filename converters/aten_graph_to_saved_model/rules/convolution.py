"""Convolutions. They run channels-last, the one layout that TensorFlow has kernels for on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import (
    Convolved,
    Value,
    Weight,
    all_known,
    channels_last,
    derive,
)

_LETTERS = {1: "NWC", 2: "NHWC", 3: "NDHWC"}


@rule(*(f"aten.conv{n}d.default" for n in (1, 2, 3)), lazy=True)
def convolve(
    context: Any, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Value:
    """input (N, C, spatial…), weight (out, C / groups, spatial…); without the batch axis too."""
    spatial = weight.rank - 2
    x, batched = _batched(input, spatial)
    stride, padding, dilation = (_each(amount, spatial) for amount in (stride, padding, dilation))
    data = x.stored(channels_last(spatial + 2))

    def build(scale: Value | None, offset: Value | None) -> Any:
        filters, shift = (weight, bias) if scale is None else _folded(weight, bias, scale, offset)
        y = _convolved(data, filters, stride, padding, dilation, groups, spatial)
        if shift is None:
            return y
        return _with_bias_per_group(y, shift, groups) if groups > 1 else tf.nn.bias_add(y, shift.tensor)

    if batched and context.read_once and all_known(weight, *([] if bias is None else [bias])):
        return Convolved(build, channels_last(spatial + 2))
    return _finished(build(None, None), None, batched)


def _folded(weight: Value, bias: Value | None, scale: Value, offset: Any) -> tuple[Value, Value]:
    """Filter and bias of scale·(w∗x + b) + offset, computed now."""
    filters = derive("scaled", lambda w, s: w * s.reshape(-1, *[1] * (w.ndim - 1)), weight, scale)
    if bias is None:
        return filters, offset
    return filters, derive("shifted", lambda b, s, o: b * s + o, bias, scale, offset)


def _with_bias_per_group(x: Any, bias: Value, groups: int) -> Any:
    """TensorFlow fuses a bias into the convolution before it, and its fused kernel knows no groups: hide the bias."""
    *leading, channels = symbolic.sizes(x)
    split = symbolic.reshape(x, [*leading, groups, channels // groups])
    biased = split + tf.reshape(bias.tensor, [groups, channels // groups])
    return symbolic.reshape(biased, [*leading, channels])


@rule(*(f"aten.conv{n}d.padding" for n in (1, 2, 3)), lazy=True)
def convolve_with_named_padding(
    context: Any, input: Value, weight: Value, bias: Value | None, stride: Any, padding: str, dilation: Any, groups: int
) -> Value:
    """ "same" pads the odd element at the end, "valid" pads nothing."""
    spatial = weight.rank - 2
    if padding == "valid":
        return convolve(context, input, weight, bias, stride, [0] * spatial, dilation, groups)
    spans = [d * (int(k or 0) - 1) for d, k in zip(_each(dilation, spatial), weight.shape[2:], strict=True)]
    pairs = [(span // 2, span - span // 2) for span in spans]
    return convolve(context, input, weight, bias, stride, pairs, dilation, groups)


@rule("aten.convolution.default", lazy=True)
def general_convolution(
    context: Any,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Value:
    if transposed:
        return convolve_transposed(context, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolve(context, input, weight, bias, stride, padding, dilation, groups)


def _each(amount: Any, spatial: int) -> list[Any]:
    amounts = amount if isinstance(amount, list) else [amount]
    return amounts * spatial if len(amounts) == 1 else amounts


def _batched(x: Value, spatial: int) -> tuple[Value, bool]:
    if x.rank == spatial + 2:
        return x, True
    return Value(x.tensor[None]), False


def _finished(data: Any, bias: Value | None, batched: bool) -> Value:
    if bias is not None:
        data = tf.nn.bias_add(data, bias.tensor)
    result = Value(data, channels_last(data.shape.rank))
    return result if batched else Value(result.tensor[0])


def _convolved(x: Any, weight: Value, stride: Any, padding: Any, dilation: Any, groups: int, spatial: int) -> Any:
    kernel = [int(size or 0) for size in weight.shape[2:]]
    pairs = [pair if isinstance(pair, tuple) else (pair, pair) for pair in padding]
    if groups > 1 and groups == x.shape[-1] and spatial == 2 and _depthwise_can(stride, dilation):
        return _depthwise(x, weight, stride, pairs, dilation, kernel, groups)
    x, mode = _padded(x, pairs, stride, dilation, kernel)
    filters = weight.stored((spatial + 1, spatial, *range(spatial)))
    if groups > 1 and spatial != 2:
        return _in_groups(x, filters, stride, mode, dilation, groups, spatial)
    return tf.nn.convolution(x, filters, stride, mode, _LETTERS[spatial], dilation)


def _depthwise_can(stride: list[int], dilation: list[int]) -> bool:
    """TensorFlow's depthwise kernel has one stride for both axes, and none together with dilation."""
    return stride[0] == stride[1] and (dilation == [1, 1] or stride == [1, 1])


def _depthwise(x: Any, weight: Value, stride: Any, pairs: Any, dilation: Any, kernel: list[int], groups: int) -> Any:
    x, mode = _padded(x, pairs, stride, dilation, kernel)
    multiplier = int(weight.shape[0] or 0) // groups
    filters = _depthwise_filters(weight, groups, multiplier, kernel)
    return tf.nn.depthwise_conv2d(x, filters, [1, *stride, 1], mode, dilations=dilation)


def _depthwise_filters(weight: Value, groups: int, multiplier: int, kernel: list[int]) -> Any:
    """(groups · multiplier, 1, h, w) → (h, w, groups, multiplier)."""
    shape = (groups, multiplier, *kernel)
    if isinstance(weight, Weight):
        return derive("depthwise", lambda w: w.reshape(shape), weight).stored((2, 3, 0, 1))
    return tf.transpose(tf.reshape(weight.tensor, shape), (2, 3, 0, 1))


def _padded(x: Any, pairs: Any, stride: list[int], dilation: list[int], kernel: list[int]) -> tuple[Any, str]:
    """The input with its padding, where TensorFlow's own does not amount to the same."""
    if all(pair == (0, 0) for pair in pairs):
        return x, "VALID"
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    # With stride 1, SAME pads span // 2 before and the rest after.
    if all(s == 1 for s in stride) and pairs == [(span // 2, span - span // 2) for span in spans]:
        return x, "SAME"
    return tf.pad(x, [(0, 0), *pairs, (0, 0)]), "VALID"


def _in_groups(x: Any, filters: Any, stride: Any, mode: str, dilation: Any, groups: int, spatial: int) -> Any:
    """Only the two-dimensional kernel knows groups. A one-dimensional convolution is one of height 1."""
    if spatial == 1:
        y = tf.nn.conv2d(x[:, None], filters[None], [1, *stride], mode, "NHWC", [1, *dilation])
        return tf.squeeze(y, [1])
    pieces = zip(tf.split(x, groups, -1), tf.split(filters, groups, -1), strict=True)
    return tf.concat([tf.nn.conv3d(a, f, [1, *stride, 1], mode, dilations=[1, *dilation, 1]) for a, f in pieces], -1)


@rule("aten.conv_transpose1d.default", "aten.conv_transpose2d.input", "aten.conv_transpose3d.input", lazy=True)
def convolve_transposed(
    context: Any,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Value:
    """weight (C, out / groups, spatial…). The whole result is made and `padding` is cut off its sides."""
    spatial = weight.rank - 2
    x, batched = _batched(input, spatial)
    stride, padding, extra, dilation = (_each(a, spatial) for a in (stride, padding, output_padding, dilation))
    data = x.stored(channels_last(spatial + 2))
    filters = _transposed_filters(weight, dilation, groups)
    pieces = zip(tf.split(data, groups, -1), filters, strict=True)
    whole = [_whole_transposed(a, f, stride, extra, spatial) for a, f in pieces]
    return _finished(_without_sides(tf.concat(whole, -1) if groups > 1 else whole[0], padding), bias, batched)


def _transposed_filters(weight: Value, dilation: list[int], groups: int) -> list[Any]:
    """Per group (spatial…, out, in), dilated by putting zeros between: the kernel on a CPU cannot dilate."""
    spatial = len(dilation)
    order = (spatial + 1, spatial, *range(spatial))
    if not isinstance(weight, Weight):
        return [Value(_dilated(part, dilation, tf)).stored(order) for part in tf.split(weight.tensor, groups)]
    parts = [_dilated(part, dilation, np) for part in np.split(weight.value, groups)]
    return [_known_filter(weight, f"group{i}", part).stored(order) for i, part in enumerate(parts)]


def _known_filter(weight: Weight, name: str, part: Array) -> Value:
    return derive(name, lambda _: part, weight)


def _dilated(weight: Any, dilation: list[int], library: Any) -> Any:
    """`library` is NumPy or TensorFlow, whichever the weight is of."""
    for axis, d in enumerate(dilation, 2):
        if d > 1:
            shape = [int(size) for size in weight.shape]
            shape[axis] *= d
            spread = library.stack([weight] + [library.zeros_like(weight)] * (d - 1), axis + 1)
            weight = library.reshape(spread, shape)[(slice(None),) * axis + (slice(0, shape[axis] - d + 1),)]
    return weight


def _whole_transposed(x: Any, filters: Any, stride: list[int], extra: list[Any], spatial: int) -> Any:
    n, *sizes, _ = symbolic.sizes(x)
    kernel, out = filters.shape[:spatial], filters.shape[spatial]
    whole = [(size - 1) * s + k + e for size, s, k, e in zip(sizes, stride, kernel, extra, strict=True)]
    # VALID takes less than one stride beyond the last element; what output_padding asks beyond that is zeros.
    taken = [w - max(e - s + 1, 0) for w, e, s in zip(whole, extra, stride, strict=True)]
    function = {1: tf.nn.conv1d_transpose, 2: tf.nn.conv2d_transpose, 3: tf.nn.conv3d_transpose}[spatial]
    strides = stride[0] if spatial == 1 else stride
    y = function(x, filters, symbolic.shape([n, *taken, out]), strides, "VALID", _LETTERS[spatial])
    missing = [max(e - s + 1, 0) for e, s in zip(extra, stride, strict=True)]
    return tf.pad(y, [(0, 0), *((0, m) for m in missing), (0, 0)]) if any(missing) else y


def _without_sides(x: Any, padding: Sequence[int]) -> Any:
    return x[(slice(None), *(slice(p, -p or None) for p in padding), slice(None))] if any(padding) else x


@rule("aten.im2col.default")
def columns_of_patches(context: Any, self: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """(N, C, H, W) → (N, C·kh·kw, patches)."""
    n, c, _, _ = symbolic.sizes(self)
    kernel, dilation, padding, stride = (_each(a, 2) for a in (kernel_size, dilation, padding, stride))
    x = tf.pad(self, [(0, 0), (0, 0), *((p, p) for p in padding)])
    for axis, k, d, s in zip((2, 4), kernel, dilation, stride, strict=True):
        count = (symbolic.sizes(x)[axis] - d * (k - 1) - 1) // s + 1
        x = tf.gather(x, tf.range(k)[:, None] * d + tf.range(count)[None, :] * s, axis=axis)
    x = tf.transpose(x, (0, 1, 2, 4, 3, 5))
    *_, rows, columns = symbolic.sizes(x)
    return symbolic.reshape(x, [n, c * kernel[0] * kernel[1], rows * columns])
