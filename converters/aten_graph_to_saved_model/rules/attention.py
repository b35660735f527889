"""Attention."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule


@rule("aten.scaled_dot_product_attention.default")
def attention(
    context: Any,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any,
    dropout_p: float,
    is_causal: bool,
    scale: Any,
    enable_gqa: bool,
) -> Any:
    """softmax(query · keyᵀ · scale + mask) · value; query (…, length, size). A boolean mask is true where to look."""
    if dropout_p > 0:
        raise ValueError("dropout is on: the model is in training mode")
    if enable_gqa:
        key, value = (_repeated_heads(x, query) for x in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    # The query is the smaller factor to scale.
    scores = tf.linalg.matmul(query * tf.cast(scale, query.dtype), key, transpose_b=True)
    if is_causal:
        scores = _masked(scores, _causal(query, key))
    if attn_mask is not None:
        scores = _masked(scores, attn_mask)
    weights = _safe_softmax(scores) if attn_mask is not None and attn_mask.dtype == tf.bool else tf.nn.softmax(scores)
    return tf.linalg.matmul(weights, value)


def _repeated_heads(x: Any, query: Any) -> Any:
    return tf.repeat(x, query.shape[-3] // x.shape[-3], axis=-3)


def _causal(query: Any, key: Any) -> Any:
    rows, columns = symbolic.sizes(query)[-2], symbolic.sizes(key)[-2]
    return tf.range(columns)[None, :] <= tf.range(rows)[:, None]


def _masked(scores: Any, mask: Any) -> Any:
    if mask.dtype == tf.bool:
        return tf.where(mask, scores, tf.constant(float("-inf"), scores.dtype))
    return scores + tf.cast(mask, scores.dtype)


def _safe_softmax(scores: Any) -> Any:
    """A query that may look nowhere gets zeros, as in torch, and not NaN."""
    nowhere = tf.equal(tf.reduce_max(scores, -1, keepdims=True), float("-inf"))
    return tf.where(nowhere, tf.zeros_like(scores), tf.nn.softmax(scores))
