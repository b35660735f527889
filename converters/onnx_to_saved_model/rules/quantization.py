"""Integers that stand for real numbers: x = (q - zero point) · scale."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from onnx import helper

from optimize.converters.aten_graph_to_saved_model.rules.linear_algebra import matmul
from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.converters.onnx_to_saved_model.rules.convolution import convolve
from optimize.converters.onnx_to_saved_model.rules.registry import check_kernels, elementwise, rule


def _along(node: Any, x: Value, parameter: Value) -> Value:
    """One number for all, or one per index of an axis."""
    if node.get("block_size", 0):
        raise ValueError("scales per block have no rule")
    if parameter.rank == 0 or parameter.shape == [1]:
        return Value(tf.reshape(parameter.tensor, []))
    axis = node.get("axis", 1) % x.rank
    return Value(tf.reshape(parameter.tensor, [-1 if a == axis else 1 for a in range(x.rank)]))


@rule("DequantizeLinear")
def dequantize(node: Any, x: Value, scale: Value, zero: Value | None = None) -> Value:
    check_kernels(x.dtype.name)
    step = _along(node, x, scale)
    wide = Value(tf.cast(x.data, tf.float32 if x.dtype.size < 4 else tf.float64), x.order)
    if zero is not None:
        wide = elementwise(lambda x, z: x - tf.cast(z, x.dtype), wide, _along(node, x, zero))
    return elementwise(lambda x, s: tf.cast(x, s.dtype) * s, wide, step)


@rule("QuantizeLinear")
def quantize(node: Any, x: Value, scale: Value, zero: Value | None = None) -> Value:
    asked = node.get("output_dtype", 0)
    dtype = (
        zero.dtype if zero is not None else tf.as_dtype(helper.tensor_dtype_to_np_dtype(asked)) if asked else tf.uint8
    )
    check_kernels(dtype.name)
    offset = None if zero is None else _along(node, x, zero)
    return _quantized(x, _along(node, x, scale), offset, dtype)


def _quantized(x: Value, scale: Value, zero: Value | None, dtype: Any) -> Value:
    """Halves go to the even neighbour, and what is out of range to its end."""

    def function(x: Any, step: Any, zero: Any = 0) -> Any:
        rounded = tf.round(tf.cast(x, tf.float32) / tf.cast(step, tf.float32)) + tf.cast(zero, tf.float32)
        return tf.cast(tf.clip_by_value(rounded, dtype.min, dtype.max), dtype)

    return elementwise(function, x, scale, *([] if zero is None else [zero]))


@rule("QLinearMatMul")
def quantized_product(
    node: Any,
    a: Value,
    a_scale: Value,
    a_zero: Value,
    b: Value,
    b_scale: Value,
    b_zero: Value,
    y_scale: Value,
    y_zero: Value,
) -> Value:
    left, right = _rows(a, a_scale, a_zero), _columns(b, b_scale, b_zero)
    return _quantized(Value(matmul(node, left, right)), y_scale, y_zero, y_zero.dtype)


def _real(x: Any, scale: Any, zero: Any) -> Value:
    return Value((tf.cast(x, tf.float32) - tf.cast(zero, tf.float32)) * tf.cast(scale, tf.float32))


def _rows(x: Value, scale: Value, zero: Value) -> Value:
    parameters = [p.tensor if p.rank == 0 or p.rank == x.rank else p.tensor[:, None] for p in (scale, zero)]
    return _real(x.tensor, *parameters)


def _columns(x: Value, scale: Value, zero: Value) -> Value:
    return _real(x.tensor, scale.tensor, zero.tensor)


@rule("QLinearConv")
def quantized_convolution(
    node: Any, x: Value, x_scale: Value, x_zero: Value, w: Value, w_scale: Value, w_zero: Value,
    y_scale: Value, y_zero: Value, bias: Value | None = None,
) -> Value:  # fmt: skip
    """Scales of the filters are one for all, or one per filter; the bias is in units of both scales."""
    per_filter = [-1, *[1] * (w.rank - 1)]
    filters = _real(w.tensor, *(tf.reshape(p.tensor, per_filter if p.rank else []) for p in (w_scale, w_zero)))
    shift = None if bias is None else _real(bias.tensor, x_scale.tensor * w_scale.tensor, 0)
    return _quantized(
        convolve(node, _real(x.tensor, x_scale.tensor, x_zero.tensor), filters, shift), y_scale, y_zero, y_zero.dtype
    )


@rule("ConvInteger")
def integer_convolution(
    node: Any, x: Value, w: Value, x_zero: Value | None = None, w_zero: Value | None = None
) -> Value:
    """In double precision, in which sums of these products are exact."""
    data, filters = (tf.cast(v.tensor, tf.float64) for v in (x, w))
    data = data if x_zero is None else data - tf.cast(x_zero.tensor, tf.float64)
    if w_zero is not None:
        filters -= tf.reshape(tf.cast(w_zero.tensor, tf.float64), [-1, *[1] * (w.rank - 1)])
    y = convolve(node, Value(data), Value(filters), None)
    return Value(tf.cast(y.data, tf.int32), y.order)
