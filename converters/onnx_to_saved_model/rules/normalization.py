"""Normalizations."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules import normalization as aten
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight, derive
from optimize.converters.onnx_to_saved_model.rules.registry import elementwise, rule


@rule("BatchNormalization")
def batch_norm(node: Any, x: Value, scale: Value, bias: Value, mean: Value, variance: Value) -> Any:
    if node.get("training_mode", 0):
        raise ValueError("the model was exported in training mode")
    return aten.batch_norm_inference(node, x, scale, bias, mean, variance, 0.0, node.get("epsilon"))[0]


@rule("InstanceNormalization")
def instance_norm(node: Any, x: Value, scale: Value, bias: Value) -> Value:
    y: Value = aten.instance_norm(node, x, scale, bias, None, None, True, 0.0, node.get("epsilon"), False)
    return y


@rule("GroupNormalization")
def group_norm(node: Any, x: Value, scale: Value, bias: Value) -> Value:
    """Scale and bias are each channel's; before version 21, each group's."""
    groups = node.get("num_groups")
    if node.version < 21:
        each = int(x.shape[1] or 0) // groups
        scale, bias = (_repeated(p, each) for p in (scale, bias))
    y: Value = aten.group_norm(node, x, groups, scale, bias, node.get("epsilon"), False)
    return y


def _repeated(parameter: Value, times: int) -> Value:
    if isinstance(parameter, Weight):
        return derive(f"each{times}", lambda array: array.repeat(times), parameter)
    return Value(tf.repeat(parameter.tensor, times))


@rule("LayerNormalization")
def layer_norm(node: Any, x: Value, scale: Value, bias: Value | None = None) -> list[Any]:
    """Over the axes from `axis` on, in single precision at least; also the mean and 1/√(variance + ε)."""
    axes = list(range(node.get("axis") % x.rank, x.rank))
    data = tf.cast(x.tensor, tf.float32) if x.dtype.size < 4 else x.tensor
    mean = tf.reduce_mean(data, axes, keepdims=True)
    centred = data - mean
    inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axes, keepdims=True) + node.get("epsilon"))
    y = tf.cast(centred * inverse, x.dtype) * scale.tensor
    return [y if bias is None else y + bias.tensor, mean, inverse]


@rule("RMSNormalization")
def rms_norm(node: Any, x: Value, scale: Value) -> Any:
    axes = list(range(node.get("axis") % x.rank, x.rank))
    data = tf.cast(x.tensor, tf.float32) if x.dtype.size < 4 else x.tensor
    data *= tf.math.rsqrt(tf.reduce_mean(tf.square(data), axes, keepdims=True) + node.get("epsilon"))
    return tf.cast(data, x.dtype) * scale.tensor


@rule("LpNormalization")
def norm(node: Any, x: Value) -> Value:
    """x / ‖x‖, and 0 where the norm is."""
    axis = x.order[node.get("axis") % x.rank]
    size = tf.norm(x.data, ord=node.get("p"), axis=axis, keepdims=True)
    return Value(tf.math.divide_no_nan(x.data, size), x.order)


@rule("LRN")
def local_response(node: Any, x: Value) -> Value:
    """x / (bias + α/size · Σ x²)^β, the sum over `size` neighbouring channels."""
    size, order = node.get("size"), x.order
    axis, data = order[1], x.data
    before = (size - 1) // 2
    pairs = [[before, size - 1 - before] if a == axis else [0, 0] for a in range(x.rank)]
    squares = tf.pad(tf.square(data), pairs)
    channels = tf.shape(data)[axis]
    window = tf.range(channels)[:, None] + tf.range(size)[None, :]
    total = tf.reduce_sum(tf.gather(squares, window, axis=axis), axis + 1)
    bias, alpha, beta = (node.get(name) for name in ("bias", "alpha", "beta"))
    return elementwise(lambda x, s: x / tf.pow(bias + alpha / size * s, beta), x, Value(total, order))
