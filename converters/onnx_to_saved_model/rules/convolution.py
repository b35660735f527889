"""Convolutions. They run channels-last, by the same code as those of ATen graphs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules import convolution as aten
from optimize.converters.aten_graph_to_saved_model.values import Value, channels_last
from optimize.converters.onnx_to_saved_model.rules.registry import rule
from optimize.converters.onnx_to_saved_model.rules.shape import padded

Pairs = list[tuple[Any, Any]]


def same_pads(sizes: list[Any], window: list[int], stride: list[int], upper: bool) -> Pairs:
    """Such that there are ⌈size / stride⌉ places; `upper` puts the odd element behind."""
    pairs = []
    for size, w, s in zip(sizes, window, stride, strict=True):
        total = symbolic.maximum((symbolic.ceil_div(size, s) - 1) * s + w - size, 0)
        less = total // 2
        pairs.append((less, total - less) if upper else (total - less, less))
    return pairs


def given_pads(node: Any, spatial: int) -> Pairs:
    amounts = node.get("pads", [0] * (2 * spatial))
    return list(zip(amounts[:spatial], amounts[spatial:], strict=True))


def pads_of(node: Any, x: Value, window: list[int], stride: list[int]) -> Pairs:
    """`window` with its dilation."""
    mode = node.get("auto_pad")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return same_pads([x.size(axis) for axis in range(2, x.rank)], window, stride, mode == "SAME_UPPER")
    return [(0, 0)] * len(window) if mode == "VALID" else given_pads(node, len(window))


def _kernel(node: Any, w: Value) -> list[int]:
    sizes: list[int] = node.get("kernel_shape", [size for size in w.shape[2:] if size is not None])
    if len(sizes) < w.rank - 2:
        raise ValueError("filters whose size only the running model knows cannot be said in TensorFlow")
    return sizes


@rule("Conv")
def convolve(node: Any, x: Value, w: Value, bias: Value | None = None) -> Value:
    """x (N, C, spatial…), w (out, C / groups, spatial…)."""
    spatial = w.rank - 2
    kernel = _kernel(node, w)
    stride, dilation = (node.get(name, [1] * spatial) for name in ("strides", "dilations"))
    pairs = pads_of(node, x, [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)], stride)
    if any(not symbolic.is_known(*pair) for pair in pairs):
        order = channels_last(x.rank)
        x, pairs = Value(padded(x.stored(order), [(0, 0), *pairs, (0, 0)], 0), order), [(0, 0)] * spatial
    y: Value = aten.convolve(node, x, w, bias, stride, pairs, dilation, node.get("group"))
    return y


@rule("ConvTranspose")
def convolve_transposed(node: Any, x: Value, w: Value, bias: Value | None = None) -> Value:
    """The whole result is made and its sides are cut off; w (C, out / groups, spatial…)."""
    spatial = w.rank - 2
    kernel = _kernel(node, w)
    stride, dilation = (node.get(name, [1] * spatial) for name in ("strides", "dilations"))
    extra = node.get("output_padding", [0] * spatial)
    window = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    pairs = _sides(node, x, window, stride, extra)
    # What is asked for beyond the whole result is more of the output's padding.
    extra = [e + max(-after, 0) if isinstance(after, int) else e for e, (_, after) in zip(extra, pairs, strict=True)]
    pairs = [(before, symbolic.maximum(after, 0)) for before, after in pairs]
    y = aten.convolve_transposed(node, x, w, None, stride, [0] * spatial, extra, node.get("group"), dilation)
    data = y.stored(channels_last(y.rank))
    ends = [size - after for size, (_, after) in zip(symbolic.sizes(data)[1:-1], pairs, strict=True)]
    inner = [slice(before, end) for (before, _), end in zip(pairs, ends, strict=True)]
    data = data[(slice(None), *inner, slice(None))]
    return Value(data if bias is None else tf.nn.bias_add(data, bias.tensor), channels_last(y.rank))


def _sides(node: Any, x: Value, window: list[int], stride: list[int], extra: list[int]) -> Pairs:
    """What is cut off, by https://onnx.ai/onnx/operators/onnx__ConvTranspose.html."""
    spatial, mode = len(window), node.get("auto_pad")
    sizes = [x.size(axis) for axis in range(2, x.rank)]
    wanted = node.get("output_shape")
    if mode in ("SAME_UPPER", "SAME_LOWER") and wanted is None:
        wanted = [size * s for size, s in zip(sizes, stride, strict=True)]
    if wanted is None:
        return given_pads(node, spatial)
    pairs = []
    for size, w, s, e, target in zip(sizes, window, stride, extra, wanted, strict=True):
        total = s * (size - 1) + e + w - target
        less = total // 2 if not isinstance(total, int) or total >= 0 else 0
        pairs.append((less, total - less) if mode == "SAME_UPPER" or not _odd_before(total) else (total - less, less))
    return pairs


def _odd_before(total: Any) -> bool:
    return not isinstance(total, int) or total >= 0
