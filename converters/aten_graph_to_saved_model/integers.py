"""Weights stored as 8-bit integers with one scale per output channel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model.saving import Variables, safe_name
from optimize.converters.aten_graph_to_saved_model.values import permuted_name

# Smaller ones would not make the file smaller; a scale for a handful of numbers is no saving either.
_LEAST_BYTES = 4096
_LEAST_PER_CHANNEL = 16


@dataclass(frozen=True)
class Stored:
    """What the checkpoint holds of a weight, in the order of axes in which it was asked for first."""

    integers: Any
    scales: Any
    dtype: Any
    content: str
    """A digest of the weight."""


class Integers(Variables):
    """A `WeightStore` of integers for matrices, filters and tables; what is small stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._quantized: dict[str, Stored] = {}

    def place(self, name: str, array: Array, channel: int | None) -> Any:
        if channel is None or not _worth_it(array, channel):
            return super().place(name, array, channel)
        return self._restored(name, self._stored(name, array, channel), range(array.ndim))

    def twin(self, name: str, permutation: Sequence[int]) -> Any:
        """Restored in this order from the integers of another; a row has one scale whichever axis it lies along."""
        unchanged = super().twin(name, permutation)
        first, place = self._placed[name]
        wanted = list(permutation)
        if first == wanted or place not in self._quantized:
            return unchanged
        moved = [first.index(axis) for axis in wanted]
        return self._restored(permuted_name(name, wanted), self._quantized[place], moved)

    def rows(self, name: str, array: Array, indices: Any) -> Any:
        """Only the rows asked for become floats."""
        if not _worth_it(array, 0):
            return super().rows(name, array, indices)
        twin = self.twin(name, range(array.ndim))
        if twin is not None:
            return tf.gather(twin, indices)
        stored = self._stored(name, array, 0)
        picked = tf.cast(tf.gather(stored.integers, indices), stored.scales.dtype) * tf.gather(stored.scales, indices)
        return tf.cast(picked, array.dtype)

    def _stored(self, name: str, array: Array, channel: int) -> Stored:
        if name not in self._quantized:
            with tf.init_scope():
                integers, scales = (tf.Variable(part, trainable=False) for part in quantized(array, channel))
            self._quantized[name] = Stored(integers, scales, array.dtype, _content(array))
            self.tracked[f"{name}/integers"], self.tracked[f"{name}/scales"] = integers, scales
            self.count += 1
        return self._quantized[name]

    def _restored(self, name: str, stored: Stored, permutation: Sequence[int]) -> Any:
        key = f"{name}/restored"
        if key not in self.tracked:
            with tf.init_scope():
                self.tracked[key] = Restored(stored, tuple(permutation), f"{safe_name(key)}-{stored.content}")
        return self.tracked[key].value()


class Restored(tf.saved_model.experimental.TrackableResource):
    """A variable that is not in the checkpoint: computed from the integers by the SavedModel's own initializer.

    Models loaded into one process share what has one `name`, so that the weight's content is a part of it.
    """

    def __init__(self, stored: Stored, permutation: Sequence[int], name: str) -> None:
        super().__init__()
        self.integers, self.scales = stored.integers, stored.scales
        self._kind = tf.as_dtype(stored.dtype)
        self._permutation = list(permutation)
        self._sizes = [stored.integers.shape[axis] for axis in permutation]
        self._shared_name = name

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(dtype=self._kind, shape=self._sizes, shared_name=self._shared_name, container="")

    def _initialize(self) -> None:
        value = tf.cast(tf.cast(self.integers, tf.float32) * self.scales, self._kind)
        if self._permutation != sorted(self._permutation):
            value = tf.transpose(value, self._permutation)
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=value)

    def value(self) -> Any:
        tensor = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=self._kind)
        tensor.set_shape(self._sizes)
        return tensor


def _content(array: Array) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()


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
