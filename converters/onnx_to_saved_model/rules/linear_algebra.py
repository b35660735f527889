"""Products of matrices."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules.linear_algebra import add_matrix_product, matmul
from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.converters.onnx_to_saved_model.rules.registry import rule


@rule("MatMul")
def product(node: Any, a: Value, b: Value) -> Any:
    if a.dtype.is_integer and a.dtype not in (tf.int32, tf.int64):
        return tf.cast(matmul(node, _as(a, tf.int64), _as(b, tf.int64)), a.dtype)
    return matmul(node, a, b)


def _as(x: Value, dtype: Any) -> Value:
    return Value(tf.cast(x.tensor, dtype))


@rule("Gemm")
def general_product(node: Any, a: Value, b: Value, c: Value | None = None) -> Any:
    """α·A·B + β·C, with A and B transposed as asked."""
    a = a.permuted([1, 0]) if node.get("transA") else a
    b = b.permuted([1, 0]) if node.get("transB") else b
    if c is not None and c.rank == 1 and c.shape[0] is not None:
        return add_matrix_product(node, c, a, b, node.get("beta"), node.get("alpha"))
    alpha, beta = (tf.cast(node.get(name), a.dtype) for name in ("alpha", "beta"))
    y = product(node, a, b)
    y = y if node.get("alpha") == 1 else y * alpha
    return y if c is None else y + (c.tensor if node.get("beta") == 1 else c.tensor * beta)


@rule("MatMulInteger")
def integer_product(node: Any, a: Value, b: Value, a_zero: Value | None = None, b_zero: Value | None = None) -> Any:
    """Zero points are one for all, or one per row of A and per column of B."""
    left, right = tf.cast(a.tensor, tf.int32), tf.cast(b.tensor, tf.int32)
    if a_zero is not None:
        zero = tf.cast(a_zero.tensor, tf.int32)
        left -= zero[:, None] if a_zero.rank == 1 and a_zero.shape != [1] else zero
    right = right if b_zero is None else right - tf.cast(b_zero.tensor, tf.int32)
    return tf.linalg.matmul(left, right)


@rule("Einsum")
def einsum(node: Any, *operands: Value) -> Any:
    return tf.einsum(node.get("equation").replace(" ", ""), *(operand.tensor for operand in operands))


@rule("Det")
def determinant(node: Any, x: Value) -> Any:
    return tf.linalg.det(x.tensor)
