"""Activations."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.converters.onnx_to_saved_model.rules.registry import elementwise, register_elementwise, rule
from optimize.converters.onnx_to_saved_model.values import known

register_elementwise(
    {
        "HardSwish": lambda x: x * tf.nn.relu6(x + 3) / 6,
        "Mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
        "PRelu": lambda x, slope: tf.where(x > 0, x, slope * x),
        "Relu": tf.nn.relu,
        "Sigmoid": tf.sigmoid,
        "Softplus": tf.math.softplus,
        "Softsign": tf.nn.softsign,
        "Tanh": tf.tanh,
    },
    __name__,
)


@rule("Gelu")
def gelu(node: Any, x: Value) -> Value:
    return elementwise(lambda x: tf.nn.gelu(x, approximate=node.get("approximate") == "tanh"), x)


@rule("Swish")
def swish(node: Any, x: Value) -> Value:
    return elementwise(lambda x: x * tf.sigmoid(node.get("alpha") * x), x)


@rule("Elu")
def elu(node: Any, x: Value) -> Value:
    return elementwise(lambda x: tf.where(x > 0, x, node.get("alpha") * tf.math.expm1(tf.minimum(x, 0))), x)


@rule("Celu")
def celu(node: Any, x: Value) -> Value:
    alpha = node.get("alpha")
    return elementwise(lambda x: tf.where(x > 0, x, alpha * tf.math.expm1(tf.minimum(x, 0) / alpha)), x)


@rule("Selu")
def selu(node: Any, x: Value) -> Value:
    alpha, gamma = node.get("alpha"), node.get("gamma")
    return elementwise(lambda x: gamma * tf.where(x > 0, x, alpha * tf.math.expm1(tf.minimum(x, 0))), x)


@rule("LeakyRelu")
def leaky_relu(node: Any, x: Value) -> Value:
    return elementwise(lambda x: tf.nn.leaky_relu(x, node.get("alpha")), x)


@rule("ThresholdedRelu")
def thresholded_relu(node: Any, x: Value) -> Value:
    return elementwise(lambda x: tf.where(x > node.get("alpha"), x, tf.zeros_like(x)), x)


@rule("HardSigmoid")
def hard_sigmoid(node: Any, x: Value) -> Value:
    return elementwise(lambda x: tf.clip_by_value(node.get("alpha") * x + node.get("beta"), 0, 1), x)


@rule("Shrink")
def shrink(node: Any, x: Value) -> Value:
    lambd, bias = node.get("lambd"), node.get("bias")

    def function(x: Any) -> Any:
        wide = tf.cast(x, tf.float64) if x.dtype.is_integer else x
        result = tf.where(wide < -lambd, wide + bias, tf.where(wide > lambd, wide - bias, tf.zeros_like(wide)))
        return tf.cast(result, x.dtype)

    return elementwise(function, x)


@rule("Softmax")
def softmax(node: Any, x: Value) -> Value:
    return _normalized(node, x, tf.nn.softmax)


@rule("LogSoftmax")
def log_softmax(node: Any, x: Value) -> Value:
    return _normalized(node, x, tf.nn.log_softmax)


@rule("Hardmax")
def hardmax(node: Any, x: Value) -> Value:
    def function(x: Any, axis: int) -> Any:
        return tf.one_hot(tf.argmax(x, axis), tf.shape(x)[axis], axis=axis, dtype=x.dtype)

    return _normalized(node, x, function)


def _normalized(node: Any, x: Value, function: Any) -> Value:
    """Along one axis; before version 13, along that and all axes behind it together."""
    axis = node.get("axis") % x.rank
    if node.version >= 13 or axis == x.rank - 1:
        return Value(function(x.data, axis=x.order[axis]), x.order)
    sizes = tf.shape(x.tensor)
    flat = tf.reshape(x.tensor, tf.stack([tf.reduce_prod(sizes[:axis]), tf.reduce_prod(sizes[axis:])]))
    return Value(tf.reshape(function(flat, axis=1), sizes))


@rule("Dropout")
def dropout(node: Any, x: Value, ratio: Value | None = None, training: Value | None = None) -> list[Any]:
    if training is not None and any(known(training, "a training mode")):
        raise ValueError("dropout is on: the model was exported in training mode")
    return [x, Value(tf.ones_like(x.data, tf.bool), x.order)]
