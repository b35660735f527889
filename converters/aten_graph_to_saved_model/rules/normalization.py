"""Normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.elementwise import cast, elementwise
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Convolved, Value, all_known, channels_last, derive


@rule("aten._native_batch_norm_legit_no_training.default", lazy=True)
def batch_norm_inference(
    context: Any,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value,
    running_var: Value,
    momentum: float,
    eps: float,
) -> list[Any]:
    return [_batch_norm(context, input, weight, bias, running_mean, running_var, eps), None, None]


def _batch_norm(context: Any, x: Value, weight: Any, bias: Any, mean: Value, variance: Value, eps: float) -> Value:
    """x·scale + offset, both computed now where the statistics are weights."""
    parameters = [p for p in (mean, variance, weight, bias) if p is not None]
    if not all_known(*parameters):
        scale = tf.math.rsqrt(variance.tensor + eps) * (1 if weight is None else weight.tensor)
        offset = (0 if bias is None else bias.tensor) - mean.tensor * scale
        return _scaled(x, Value(scale), Value(offset), context.dtype)

    def scale_of(mean: Any, variance: Any, *rest: Any) -> Any:
        weight_array = rest[0] if weight is not None else 1
        return (weight_array / np.sqrt(variance.astype(np.float64) + eps)).astype(variance.dtype)

    def offset_of(mean: Any, variance: Any, *rest: Any) -> Any:
        bias_array = rest[-1] if bias is not None else 0
        return (bias_array - mean * scale_of(mean, variance, *rest).astype(np.float64)).astype(variance.dtype)

    scale, offset = derive("scale", scale_of, *parameters), derive("offset", offset_of, *parameters)
    return x.scaled(scale, offset) if isinstance(x, Convolved) else _scaled(x, scale, offset, context.dtype)


def _scaled(x: Value, scale: Value, offset: Value, dtype: Any) -> Value:
    """The second axis is the channels'."""
    if x.rank > 2 and x.order == channels_last(x.rank):
        # Added as a bias: TensorFlow, and what quantizes its graphs, take that for a part of the convolution before it.
        data = tf.nn.bias_add(cast(x.stored(x.order), dtype) * cast(scale.tensor, dtype), cast(offset.tensor, dtype))
        return Value(data, x.order)
    axes = [0, x.rank - 1, *range(1, x.rank - 1)] if x.rank > 1 else [0]
    scale, offset = (p.padded(x.rank).permuted(axes) for p in (scale, offset))
    return elementwise(lambda x, a, b: x * a + b, x, scale, offset, dtype=dtype)


@rule("aten._native_batch_norm_legit.no_stats", lazy=True)
def batch_norm_of_batch(
    context: Any, input: Value, weight: Value | None, bias: Value | None, training: bool, momentum: float, eps: float
) -> list[Any]:
    """A batch norm that keeps no statistics takes the batch's, in eval mode too."""
    x = input.stored(input.order)
    result = _standardized(_wide(x), [input.order[a] for a in range(input.rank) if a != 1], eps)[0]
    return [_affine_by_channel(context, Value(tf.cast(result, context.dtype), input.order), weight, bias), None, None]


def _affine_by_channel(context: Any, x: Value, weight: Value | None, bias: Value | None) -> Value:
    one = Value(tf.ones([1], context.dtype)) if weight is None else weight
    none = Value(tf.zeros([1], context.dtype)) if bias is None else bias
    return _scaled(x, one, none, context.dtype)


@rule("aten.layer_norm.default")
def layer_norm(
    context: Any, input: Any, normalized_shape: list[int], weight: Any, bias: Any, eps: float, cudnn_enable: bool
) -> Any:
    return _layer_norm(input, normalized_shape, weight, bias, eps)[0]


@rule("aten.native_layer_norm.default")
def native_layer_norm(
    context: Any, input: Any, normalized_shape: list[int], weight: Any, bias: Any, eps: float
) -> list[Any]:
    return list(_layer_norm(input, normalized_shape, weight, bias, eps))


def _layer_norm(x: Any, normalized_shape: list[int], weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """(x - mean) / √(variance + eps) · weight + bias over the last axes, and the mean and 1/√… themselves."""
    axes = list(range(-len(normalized_shape), 0))
    result, mean, scale = _standardized(_wide(x), axes, eps)
    return _affine(tf.cast(result, x.dtype), weight, bias), mean, scale


def _wide(x: Any) -> Any:
    """Statistics of half-precision tensors are taken in single precision, as torch's kernels do."""
    return tf.cast(x, tf.float32) if x.dtype.size < 4 else x


def _standardized(x: Any, axes: list[int], eps: float) -> tuple[Any, Any, Any]:
    mean = tf.reduce_mean(x, axes, keepdims=True)
    centred = x - mean
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axes, keepdims=True) + eps)
    return centred * scale, mean, scale


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


@rule("aten.rms_norm.default")
def rms_norm(context: Any, input: Any, normalized_shape: list[int], weight: Any, eps: float | None) -> Any:
    axes = list(range(-len(normalized_shape), 0))
    x = _wide(input)
    eps = float(np.finfo(input.dtype.as_numpy_dtype).eps) if eps is None else eps
    x = x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axes, keepdims=True) + eps)
    return _affine(tf.cast(x, input.dtype), weight, None)


@rule("aten.group_norm.default", lazy=True)
def group_norm(
    context: Any,
    input: Value,
    num_groups: int,
    weight: Value | None,
    bias: Value | None,
    eps: float,
    cudnn_enabled: bool,
) -> Value:
    return _group_norm(context, input, num_groups, weight, bias, eps)


@rule("aten.native_group_norm.default", lazy=True)
def native_group_norm(
    context: Any, input: Value, weight: Any, bias: Any, N: Any, C: Any, HxW: Any, group: int, eps: float
) -> list[Any]:
    return [_group_norm(context, input, group, weight, bias, eps), None, None]


def _group_norm(context: Any, x: Value, groups: int, weight: Any, bias: Any, eps: float) -> Value:
    """Channels are the second axis; each group's mean and variance run over its channels and all positions."""
    order = x.order
    data = x.stored(order)
    if order[1] not in (1, x.rank - 1):
        order, data = tuple(range(x.rank)), x.tensor
    sizes, axis = symbolic.sizes(data), order[1]
    split = symbolic.reshape(_wide(data), [*sizes[:axis], groups, sizes[axis] // groups, *sizes[axis + 1 :]])
    reduced = [a for a in range(1, x.rank + 1) if a != axis]
    result = symbolic.reshape(_standardized(split, reduced, eps)[0], sizes)
    return _affine_by_channel(context, Value(tf.cast(result, context.dtype), order), weight, bias)


@rule("aten.instance_norm.default", lazy=True)
def instance_norm(
    context: Any,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Value:
    if not use_input_stats and running_mean is not None and running_var is not None:
        return _batch_norm(context, input, weight, bias, running_mean, running_var, eps)
    x = input.stored(input.order)
    result = _standardized(_wide(x), [input.order[a] for a in range(2, input.rank)], eps)[0]
    return _affine_by_channel(context, Value(tf.cast(result, context.dtype), input.order), weight, bias)
