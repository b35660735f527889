"""Products of matrices."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.elementwise import elementwise
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value, plain


@rule("aten.linear.default", lazy=True)
def linear(context: Any, input: Value, weight: Value, bias: Value | None) -> Any:
    """input (…, in), weight (out, in)."""
    if weight.rank == 1:
        return _with_vector(input, weight, bias)
    return _times_matrix(input.tensor, weight.permuted([1, 0]), bias)


def _with_vector(x: Value, weight: Value, bias: Value | None) -> Any:
    y = tf.linalg.matvec(x.tensor, weight.tensor)
    return y if bias is None else y + bias.tensor


def _times_matrix(x: Any, weight: Value, bias: Value | None) -> Any:
    """One product of two matrices, whatever axes come before: the form that is fused with its bias and activation."""
    *leading, features = symbolic.sizes(x)
    flat = x if len(leading) == 1 else symbolic.reshape(x, [-1, features])
    y = tf.linalg.matmul(flat, weight.stored(plain(2)))
    if bias is not None:
        y = tf.nn.bias_add(y, bias.tensor) if bias.rank == 1 else y + bias.tensor
    return y if len(leading) == 1 else symbolic.reshape(y, [*leading, weight.size(1)])


@rule("aten.matmul.default", lazy=True)
def matmul(context: Any, self: Value, other: Value) -> Any:
    if self.rank == other.rank == 1:
        return tf.reduce_sum(self.tensor * other.tensor)
    if other.rank == 1:
        return tf.linalg.matvec(self.tensor, other.tensor)
    if self.rank == 1:
        return tf.squeeze(_product(Value(self.tensor[None]), other), [-2])
    return _times_matrix(self.tensor, other, None) if other.rank == 2 else _product(self, other)


def _product(a: Value, b: Value) -> Any:
    """A transposition of the last two axes is told to the product instead of being carried out."""
    (left, transpose_left), (right, transpose_right) = _operand(a), _operand(b)
    return tf.linalg.matmul(left, right, transpose_a=transpose_left, transpose_b=transpose_right)


def _operand(value: Value) -> tuple[Any, bool]:
    swapped = (*range(value.rank - 2), value.rank - 1, value.rank - 2)
    return (value.stored(swapped), True) if value.order == swapped else (value.tensor, False)


@rule("aten.mm.default", "aten.bmm.default", lazy=True)
def matrix_product(context: Any, self: Value, mat2: Value) -> Any:
    return _times_matrix(self.tensor, mat2, None) if mat2.rank == 2 else _product(self, mat2)


@rule("aten.addmm.default", lazy=True)
def add_matrix_product(context: Any, self: Value, mat1: Value, mat2: Value, beta: Any, alpha: Any) -> Any:
    # Two sizes that are not known are not thereby equal: one of them may be 1, which broadcasts.
    fits = self.rank == 1 and self.shape[0] is not None and self.shape[0] == mat2.shape[1]
    if beta == alpha == 1 and fits:
        return _times_matrix(mat1.tensor, mat2, self)
    return elementwise(
        lambda x, y: beta * x + alpha * y, self, Value(_times_matrix(mat1.tensor, mat2, None)), dtype=context.dtype
    )


@rule("aten.baddbmm.default", lazy=True)
def add_batched_product(context: Any, self: Value, batch1: Value, batch2: Value, beta: Any, alpha: Any) -> Any:
    y = _product(batch1, batch2)
    y = y if alpha == 1 else y * alpha
    return y if beta == 0 else y + self.tensor * tf.cast(beta, y.dtype)


@rule("aten.mv.default")
def matrix_times_vector(context: Any, self: Any, vec: Any) -> Any:
    return tf.linalg.matvec(self, vec)


@rule("aten.dot.default")
def dot(context: Any, self: Any, tensor: Any) -> Any:
    return tf.reduce_sum(self * tensor)


@rule("aten.vdot.default", "aten.linalg_vecdot.default")
def vector_dot(context: Any, **operands: Any) -> Any:
    x, y = [value for value in operands.values() if tf.is_tensor(value)]
    return tf.reduce_sum(x * y, operands.get("dim", -1))


@rule("aten.outer.default")
def outer(context: Any, self: Any, vec2: Any) -> Any:
    return self[:, None] * vec2[None, :]


@rule("aten.einsum.default")
def einsum(context: Any, equation: str, tensors: list[Any], path: Any) -> Any:
    return tf.einsum(equation.replace(" ", ""), *tensors)


@rule("aten.bilinear.default")
def bilinear(context: Any, input1: Any, input2: Any, weight: Any, bias: Any) -> Any:
    y = tf.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias


@rule("aten.tensordot.default")
def tensordot(context: Any, self: Any, other: Any, dims_self: list[int], dims_other: list[int]) -> Any:
    return tf.tensordot(self, other, [dims_self, dims_other])


@rule("aten.cosine_similarity.default")
def cosine_similarity(context: Any, x1: Any, x2: Any, dim: int, eps: float) -> Any:
    squares = tf.reduce_sum(x1 * x1, dim) * tf.reduce_sum(x2 * x2, dim)
    return tf.reduce_sum(x1 * x2, dim) / tf.sqrt(tf.maximum(squares, eps * eps))


@rule("aten.cdist.default", "aten._cdist_forward.default")
def distances(context: Any, x1: Any, x2: Any, p: float, compute_mode: int | None) -> Any:
    return _norm_of_differences(x1[..., :, None, :] - x2[..., None, :, :], p)


def _norm_of_differences(difference: Any, p: float) -> Any:
    if p == 2:
        return tf.norm(difference, axis=-1)
    return tf.norm(difference, ord=p, axis=-1)


@rule("aten.pairwise_distance.default")
def pairwise_distance(context: Any, x1: Any, x2: Any, p: float, eps: float, keepdim: bool) -> Any:
    return tf.norm(x1 - x2 + eps, ord=p, axis=-1, keepdims=keepdim)


@rule("aten.linalg_cross.default")
def cross(context: Any, self: Any, other: Any, dim: int) -> Any:
    a, b = (tf.unstack(x, axis=dim) for x in tf.nest.flatten([self, other]))
    parts = [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]
    return tf.stack(parts, axis=dim)


@rule("aten.linalg_inv.default")
def inverse(context: Any, **operands: Any) -> Any:
    (matrix,) = operands.values()
    return tf.linalg.inv(matrix)


@rule("aten.linalg_det.default")
def determinant(context: Any, **operands: Any) -> Any:
    (matrix,) = operands.values()
    return tf.linalg.det(matrix)
