"""Operators of `ai.onnx.ml`: linear models, and what comes before and after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper

from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.converters.onnx_to_saved_model.rules.registry import rule


@rule("ai.onnx.ml.Scaler")
def scaler(node: Any, x: Value) -> Any:
    offset, scale = (
        tf.constant(node.get(name, [default]), tf.float32) for name, default in (("offset", 0), ("scale", 1))
    )
    return (tf.cast(x.tensor, tf.float32) - offset) * scale


@rule("ai.onnx.ml.Normalizer")
def normalizer(node: Any, x: Value) -> Any:
    data = tf.cast(x.tensor, tf.float32)
    kind = node.get("norm")
    if kind == "MAX":
        size = tf.reduce_max(data, -1, keepdims=True)
    else:
        size = tf.norm(data, ord=1 if kind == "L1" else 2, axis=-1, keepdims=True)
    return data / tf.where(size == 0, tf.ones_like(size), size)


@rule("ai.onnx.ml.Binarizer")
def binarizer(node: Any, x: Value) -> Any:
    return tf.cast(x.tensor > tf.cast(node.get("threshold"), x.dtype), x.dtype)


@rule("ai.onnx.ml.Imputer")
def imputer(node: Any, x: Value) -> Any:
    data = x.tensor
    values = tf.constant(node.get("imputed_value_floats") or node.get("imputed_value_int64s"), data.dtype)
    replaced = node.get("replaced_value_float") if data.dtype.is_floating else node.get("replaced_value_int64")
    missing = tf.math.is_nan(data) if data.dtype.is_floating and np.isnan(replaced) else tf.equal(data, replaced)
    return tf.where(missing, values, data)


@rule("ai.onnx.ml.FeatureVectorizer")
def feature_vector(node: Any, *parts: Value) -> Any:
    return tf.concat([tf.cast(tf.reshape(p.tensor, [tf.shape(p.tensor)[0], -1]), tf.float32) for p in parts], 1)


@rule("ai.onnx.ml.ArrayFeatureExtractor")
def features(node: Any, x: Value, indices: Value) -> Any:
    found = tf.gather(x.tensor, tf.reshape(indices.tensor, [-1]), axis=-1)
    return found if x.rank > 1 else found[None]


@rule("ai.onnx.ml.OneHotEncoder")
def one_hot(node: Any, x: Value) -> Any:
    text = node.get("cats_strings")
    categories = tf.constant(text) if text else tf.constant(node.get("cats_int64s"), tf.int64)
    data = x.tensor if text else tf.cast(x.tensor, tf.int64)
    return tf.cast(tf.equal(data[..., None], categories), tf.float32)


_KEYS = {"keys_int64s": tf.int64, "keys_floats": tf.float32, "keys_strings": tf.string}
_VALUES = {"values_int64s": tf.int64, "values_floats": tf.float32, "values_strings": tf.string}
_DEFAULTS = {
    "values_int64s": "default_int64",
    "values_floats": "default_float",
    "values_strings": "default_string",
    "values_tensor": "default_tensor",
}


@rule("ai.onnx.ml.LabelEncoder")
def label_encoder(node: Any, x: Value) -> Any:
    """Key to value, and a default for what is no key."""
    keys, _ = _list(node, "keys_", _KEYS)
    values, name = _list(node, "values_", _VALUES)
    default = node.get(_DEFAULTS[name])
    if isinstance(default, onnx.TensorProto):
        default = numpy_helper.to_array(default).item()
    equal = tf.equal(x.tensor[..., None], keys)
    if keys.dtype.is_floating:
        equal |= tf.math.is_nan(x.tensor[..., None]) & tf.math.is_nan(keys)
    chosen = tf.gather(values, tf.argmax(tf.cast(equal, tf.int32), -1))
    return tf.where(tf.reduce_any(equal, -1), chosen, tf.constant(default, values.dtype))


def _list(node: Any, prefix: str, kinds: Mapping[str, Any]) -> tuple[Any, str]:
    """Whichever of the attributes is given, and its name."""
    for name, kind in kinds.items():
        if node.get(name):
            return tf.constant(node.get(name), kind), name
    return tf.constant(numpy_helper.to_array(node.get(f"{prefix}tensor"))), f"{prefix}tensor"


def transformed(node: Any, scores: Any) -> Any:
    kind = node.get("post_transform", "NONE")
    if kind == "NONE":
        return scores
    functions = {"LOGISTIC": tf.sigmoid, "SOFTMAX": tf.nn.softmax, "SOFTMAX_ZERO": _softmax_of_others}
    if kind not in functions:
        raise ValueError(f"post_transform {kind} has no rule")
    return functions[kind](scores)


def _softmax_of_others(scores: Any) -> Any:
    """Zeros stay zeros, and count for nothing."""
    share = tf.where(scores == 0, tf.zeros_like(scores), tf.exp(scores - tf.reduce_max(scores, -1, keepdims=True)))
    return share / tf.reduce_sum(share, -1, keepdims=True)


@rule("ai.onnx.ml.LinearRegressor")
def linear_regressor(node: Any, x: Value) -> Any:
    return transformed(node, _linear(node, x, node.get("targets")))


@rule("ai.onnx.ml.LinearClassifier")
def linear_classifier(node: Any, x: Value) -> list[Any]:
    labels = labels_of(node)
    rows = len(node.get("intercepts") or []) or len(labels)
    return classified(node, _linear(node, x, rows), labels, binary_from_scores=True)


def _linear(node: Any, x: Value, rows: int) -> Any:
    coefficients = np.array(node.get("coefficients"), np.float32).reshape(rows, -1)
    y = tf.linalg.matmul(tf.cast(x.tensor, tf.float32), node.weight("coefficients", coefficients.T))
    intercepts = node.get("intercepts")
    return y if not intercepts else y + tf.constant(intercepts, tf.float32)


def labels_of(node: Any) -> Any:
    """A list of integers or of text."""
    names = ("classlabels_strings", "classlabels_ints", "classlabels_int64s")
    return next(found for name in names if (found := node.get(name)))


def classified(node: Any, scores: Any, labels: Any, binary_from_scores: bool) -> list[Any]:
    """The label of the highest score, and all scores. One score for two classes is the second's."""
    text = isinstance(labels[0], str)
    names = tf.constant(labels, tf.string if text else tf.int64)
    if scores.shape[-1] == 1 and len(labels) == 2:
        scores, positive = _both(node, scores[:, 0], binary_from_scores)
        return [tf.gather(names, tf.cast(positive, tf.int32)), scores]
    return [tf.gather(names, tf.argmax(scores, -1)), transformed(node, scores)]


def _both(node: Any, score: Any, from_scores: bool) -> tuple[Any, Any]:
    """What ONNX Runtime makes of one score: its complement beside it."""
    kind = node.get("post_transform", "NONE")
    if kind == "LOGISTIC":
        second = tf.sigmoid(score)
        return tf.stack([tf.sigmoid(-score), second], 1), score > 0
    if kind != "NONE":
        return transformed(node, tf.stack([-score, score], 1)), score > 0
    if from_scores:
        return tf.stack([-score, score], 1), score > 0
    return tf.stack([1 - score, score], 1), score > 0.5
