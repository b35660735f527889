"""Weights stored as 8-bit integers with one scale per output channel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model.saving import Variables, safe_name

# Smaller ones would not make the file smaller; a scale for a handful of numbers is no saving either.
_LEAST_BYTES = 4096
_LEAST_PER_CHANNEL = 16


class Integers(Variables):
    """A `WeightStore` of integers for matrices, filters and tables; what is small stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._quantized: dict[str, tuple[Any, Any]] = {}

    def place(self, name: str, array: Array, channel: int | None) -> Any:
        if channel is None or not _worth_it(array, channel):
            return super().place(name, array, channel)
        restored = f"{name}/restored"
        if restored not in self.tracked:
            integers, scales = self._stored(name, array, channel)
            with tf.init_scope():
                self.tracked[restored] = Restored(integers, scales, array.dtype, _shared_name(restored, array))
        return self.tracked[restored].value()

    def twin(self, name: str, permutation: Sequence[int]) -> Any:
        """Each order has integers of its own."""
        return None

    def rows(self, name: str, array: Array, indices: Any) -> Any:
        """Only the rows asked for become floats."""
        if not _worth_it(array, 0):
            return super().rows(name, array, indices)
        integers, scales = self._stored(name, array, 0)
        picked = tf.cast(tf.gather(integers, indices), scales.dtype) * tf.gather(scales, indices)
        return tf.cast(picked, array.dtype)

    def _stored(self, name: str, array: Array, channel: int) -> tuple[Any, Any]:
        if name not in self._quantized:
            with tf.init_scope():
                pair = tuple(tf.Variable(part, trainable=False) for part in quantized(array, channel))
            self._quantized[name] = (pair[0], pair[1])
            self.tracked[f"{name}/integers"], self.tracked[f"{name}/scales"] = pair
            self.count += 1
        return self._quantized[name]


class Restored(tf.saved_model.experimental.TrackableResource):
    """A variable that is not in the checkpoint: computed from the integers by the SavedModel's own initializer."""

    def __init__(self, integers: Any, scales: Any, dtype: Any, name: str) -> None:
        super().__init__()
        self.integers, self.scales = integers, scales
        self._kind = tf.as_dtype(dtype)
        self._shared_name = name

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(
            dtype=self._kind, shape=self.integers.shape, shared_name=self._shared_name, container=""
        )

    def _initialize(self) -> None:
        value = tf.cast(tf.cast(self.integers, tf.float32) * self.scales, self._kind)
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=value)

    def value(self) -> Any:
        tensor = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=self._kind)
        tensor.set_shape(self.integers.shape)
        return tensor


def _shared_name(name: str, array: Array) -> str:
    """Models loaded into one process share what has one name: the content is a part of it."""
    return f"{safe_name(name)}-{hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()}"


def _worth_it(array: Array, channel: int) -> bool:
    floats = tf.as_dtype(array.dtype).is_floating and array.dtype.itemsize <= 4
    per_channel = array.size // max(array.shape[channel], 1)
    return bool(floats and array.nbytes >= _LEAST_BYTES and per_channel >= _LEAST_PER_CHANNEL)


def quantized(array: Array, channel: int) -> tuple[Array, Array]:
    """int8 q and float32 s with array ≈ q·s, |q| ≤ 127, s = max|array| / 127 along all axes but `channel`.

    Symmetric, so that zero stays zero: Jacob et al. 2018, https://arxiv.org/abs/1712.05877, section 2.1 with Z = 0.
    """
    wide = array.astype(np.float32)
    others = tuple(axis for axis in range(array.ndim) if axis != channel)
    scales = np.abs(wide).max(axis=others, keepdims=True) / 127
    scales[scales == 0] = 1
    return np.rint(wide / scales).astype(np.int8), scales
