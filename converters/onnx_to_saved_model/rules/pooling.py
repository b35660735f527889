"""Pooling, channels-last as the convolutions are."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.values import Value, channels_last
from optimize.converters.onnx_to_saved_model.rules.convolution import Pairs, pads_of
from optimize.converters.onnx_to_saved_model.rules.registry import rule
from optimize.converters.onnx_to_saved_model.rules.shape import padded


class _Windows:
    """Where a pooling operator looks: sizes, steps, and the padding that its attributes amount to."""

    def __init__(self, node: Any, x: Value) -> None:
        self.kernel: list[int] = node.get("kernel_shape")
        ones = [1] * len(self.kernel)
        self.stride: list[int] = node.get("strides", ones)
        self.dilation: list[int] = node.get("dilations", ones)
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        self.pads: Pairs = pads_of(node, x, spans, self.stride)
        self.order = channels_last(x.rank)
        self.data = x.stored(self.order)
        self.rest = [0] * len(self.kernel)
        if node.get("ceil_mode", 0):
            sizes = symbolic.sizes(self.data)[1:-1]
            each = zip(sizes, spans, self.stride, self.pads, strict=True)
            self.rest = [_rest(size, span, s, pair) for size, span, s, pair in each]

    def padded(self, x: Any, value: Any) -> Any:
        """With the padding, and behind it what the last, partial window reaches into."""
        pairs = [(before, after + rest) for (before, after), rest in zip(self.pads, self.rest, strict=True)]
        return padded(x, [(0, 0), *pairs, (0, 0)], value)

    @property
    def inside(self) -> bool:
        """Whether no window reaches beyond the input."""
        amounts = [amount for pair in self.pads for amount in pair] + self.rest
        return all(isinstance(amount, int) and amount == 0 for amount in amounts)

    def pool(self, x: Any, kind: str) -> Any:
        if all(d == 1 for d in self.dilation):
            function = tf.nn.max_pool if kind == "MAX" else tf.nn.avg_pool
            return function(x, self.kernel, self.stride, "VALID")
        # With both, TensorFlow's own refuses: every place is pooled, and the steps between are left out.
        dense = tf.nn.pool(x, self.kernel, kind, dilations=self.dilation)
        return dense[(slice(None), *(slice(None, None, s) for s in self.stride), slice(None))]


def _rest(size: Any, span: int, stride: int, pair: tuple[Any, Any]) -> Any:
    """So that a last, partial window fits, if it begins inside the input or the padding before it."""
    whole = size + pair[0] + pair[1]
    count = symbolic.ceil_div(whole - span, stride) + 1
    begins_inside = (count - 1) * stride < size + pair[0]
    less = (0 if begins_inside else 1) if isinstance(begins_inside, bool) else tf.cast(~begins_inside, tf.int32)
    return symbolic.maximum((count - less - 1) * stride + span - whole, 0)


@rule("MaxPool")
def max_pool(node: Any, x: Value) -> Value:
    if len([name for name in node.outputs if name]) > 1:
        raise ValueError("the positions of maxima have no rule")
    windows = _Windows(node, x)
    data = windows.data if x.dtype.is_floating else tf.cast(windows.data, tf.float64)
    result = windows.pool(windows.padded(data, data.dtype.min), "MAX")
    return Value(tf.cast(result, x.dtype), windows.order)


@rule("AveragePool")
def average_pool(node: Any, x: Value) -> Value:
    windows = _Windows(node, x)
    mean = windows.pool(windows.padded(windows.data, 0), "AVG")
    if windows.inside:
        return Value(mean, windows.order)
    ones = tf.ones_like(windows.data[:1, ..., :1])
    if node.get("count_include_pad", 0):
        ones = padded(ones, [(0, 0), *windows.pads, (0, 0)], 1)
        ones = padded(ones, [(0, 0), *((0, rest) for rest in windows.rest), (0, 0)], 0)
    else:
        ones = windows.padded(ones, 0)
    return Value(mean / windows.pool(ones, "AVG"), windows.order)


@rule("LpPool")
def norm_pool(node: Any, x: Value) -> Value:
    """(Σ |x|ᵖ)^(1/p) over each window."""
    windows, p = _Windows(node, x), float(node.get("p"))
    elements = float(symbolic.product(windows.kernel))
    mean = windows.pool(windows.padded(tf.pow(tf.abs(windows.data), p), 0), "AVG")
    return Value(tf.pow(mean * elements, 1 / p), windows.order)


def _whole(x: Value, function: Any) -> Value:
    return Value(function(x.data, [x.order[axis] for axis in range(2, x.rank)], True), x.order)


@rule("GlobalAveragePool")
def global_average(node: Any, x: Value) -> Value:
    return _whole(x, tf.reduce_mean)


@rule("GlobalMaxPool")
def global_max(node: Any, x: Value) -> Value:
    return _whole(x, tf.reduce_max)


@rule("GlobalLpPool")
def global_norm(node: Any, x: Value) -> Value:
    p = float(node.get("p"))
    return _whole(x, lambda x, axes, keep: tf.pow(tf.reduce_sum(tf.pow(tf.abs(x), p), axes, keep), 1 / p))
