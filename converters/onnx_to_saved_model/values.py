"""What passes between the rules besides tensors and weights: shapes, of which some sizes are known now and some not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight, WeightStore, plain

# A shape has no more axes than this; longer integer tensors are data.
_MOST_ITEMS = 64


@dataclass(frozen=True)
class Unknown:
    """One number that only the running model knows. Opaque, so that NumPy takes it for a single item."""

    tensor: Any


class Sizes(Value):
    """An integer (or boolean) tensor whose items are Python numbers, or `Unknown`.

    ONNX writes sizes as tensors: Shape, Gather, Concat, Reshape. Kept item by item, a size known now stays known to
    TensorFlow's own shape inference, whatever is computed beside it.
    """

    def __init__(self, items: Array, dtype: Any) -> None:
        self.items = items
        self.order = plain(items.ndim)
        self._dtype = dtype
        self._data = None
        self._moved = {}

    @property
    def data(self) -> Any:
        if self._data is None:
            parts = [tf.cast(_number(item), self._dtype) for item in self.items.flat]
            self._data = tf.reshape(tf.stack(parts), self.items.shape) if parts else tf.zeros([0], self._dtype)
        return self._data

    @property
    def dtype(self) -> Any:
        return self._dtype

    @property
    def shape(self) -> list[int | None]:
        return list(self.items.shape)

    def settled(self, dtype: Any, shape: Any) -> Value:
        return self


def _number(item: Any) -> Any:
    return item.tensor if isinstance(item, Unknown) else item


def as_value(items: Array, dtype: Any, name: str, store: WeightStore) -> Value:
    """`Sizes` where an item is unknown, else the array that the items are."""
    if any(isinstance(item, Unknown) for item in items.flat):
        return Sizes(items, dtype)
    return Weight(name, items.astype(dtype.as_numpy_dtype), store)


def shape_of(value: Value) -> Array:
    items = np.empty(value.rank, object)
    for axis in range(value.rank):
        size = value.size(axis)
        items[axis] = size if isinstance(size, int) else Unknown(tf.cast(size, tf.int64))
    return items


def items_of(value: Value) -> Array | None:
    """The items of an integer tensor of known size; None for any other."""
    if isinstance(value, Sizes):
        return value.items
    if not (value.dtype.is_integer or value.dtype.is_bool) or value.rank > 1:
        return None
    if isinstance(value, Weight):
        return value.value.astype(object) if value.array.size <= _MOST_ITEMS else None
    return _unstacked(value)


def _unstacked(value: Value) -> Array | None:
    count = value.shape[0] if value.rank else 1
    if count is None or count > _MOST_ITEMS:
        return None
    items = np.empty(count, object)
    for index, part in enumerate(tf.unstack(value.tensor) if value.rank else [value.tensor]):
        items[index] = Unknown(part)
    return items.reshape([count] if value.rank else [])


def numbers(value: Value) -> list[Any] | None:
    """As `symbolic` writes sizes: Python integers or scalar int32 tensors. None where not even their count is known."""
    items = items_of(value)
    if items is None:
        return None
    return [tf.cast(i.tensor, tf.int32) if isinstance(i, Unknown) else int(i) for i in items.reshape(-1)]


def known(value: Value, what: str) -> list[Any]:
    """As Python numbers. Raises ValueError where they are known only when the model runs."""
    if isinstance(value, Weight):
        return list(value.value.reshape(-1).tolist())
    found = numbers(value)
    if found is None or not all(isinstance(item, int) for item in found):
        raise ValueError(f"{what} computed by the model itself cannot be said in TensorFlow; make it a constant")
    return found
