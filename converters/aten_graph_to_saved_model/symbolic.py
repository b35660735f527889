"""Sizes: Python integers where they are known now, scalar int32 tensors where only the running model knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# torch writes "to the end" as the largest int64; a TensorFlow slice has int32 bounds.
END = 2**31 - 1


def is_known(*sizes: Any) -> bool:
    return all(isinstance(size, int) for size in sizes)


def shape(sizes: Sequence[Any]) -> Any:
    """As the argument of `tf.reshape`, `tf.fill` and so on."""
    if is_known(*sizes):
        return list(sizes)
    return tf.stack([tf.cast(size, tf.int32) for size in sizes])


def reshape(tensor: Any, sizes: Sequence[Any]) -> Any:
    """One unknown size is written as -1, which keeps the others visible to TensorFlow's own shape inference."""
    unknown = [index for index, size in enumerate(sizes) if not isinstance(size, int)]
    if len(unknown) == 1 and -1 not in [size for size in sizes if isinstance(size, int)]:
        sizes = [-1 if index == unknown[0] else size for index, size in enumerate(sizes)]
    return tf.reshape(tensor, shape(sizes))


def sizes(tensor: Any) -> list[Any]:
    known = tensor.shape.as_list()
    return [tf.shape(tensor)[axis] if size is None else size for axis, size in enumerate(known)]


def product(values: Sequence[Any]) -> Any:
    result: Any = 1
    for value in values:
        result = result * value
    return result


def maximum(a: Any, b: Any) -> Any:
    return max(a, b) if is_known(a, b) else tf.maximum(a, b)


def minimum(a: Any, b: Any) -> Any:
    return min(a, b) if is_known(a, b) else tf.minimum(a, b)


def ceil_div(a: Any, b: Any) -> Any:
    return -(-a // b)


def bound(value: Any) -> Any:
    """A slice's bound; None where it means the end."""
    return None if isinstance(value, int) and value >= END else value
