"""Tensors on their way through the rules: in which order their axes are stored, and where weights come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from optimize.arrays import Array

Order = tuple[int, ...]


def plain(rank: int) -> Order:
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """Where (N, C, spatial…) lie in (N, spatial…, C), the layout TensorFlow's convolutions have on a CPU."""
    return (0, rank - 1, *range(1, rank - 1))


class Value:
    """A tensor whose logical axis `i` is stored as axis `order[i]`.

    Permuting changes `order` alone; the data moves when a rule asks for it in an order it is not in. So a convolution
    network stays channels-last from end to end, and a permutation that undoes another costs nothing.
    """

    def __init__(self, data: Any, order: Order | None = None) -> None:
        self._data = data
        self.order = plain(data.shape.rank) if order is None else order
        self._moved: dict[Order, Any] = {}

    @property
    def data(self) -> Any:
        """The tensor as it is stored."""
        return self._data

    @property
    def rank(self) -> int:
        return len(self.order)

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def shape(self) -> list[int | None]:
        """Logical sizes, None where they are known only when the model runs."""
        sizes = self.data.shape.as_list()
        return [sizes[axis] for axis in self.order]

    @property
    def tensor(self) -> Any:
        return self.stored(plain(self.rank))

    def stored(self, order: Order) -> Any:
        """The tensor with logical axis `i` at axis `order[i]`."""
        if order == self.order:
            return self.data
        if order not in self._moved:
            self._moved[order] = tf.transpose(self.data, _permutation(self.order, order))
        return self._moved[order]

    def size(self, axis: int) -> Any:
        """A Python integer where it is known now, else a scalar int32 tensor."""
        known = self.shape[axis]
        return tf.shape(self.data)[self.order[axis]] if known is None else known

    def permuted(self, axes: Sequence[int]) -> Value:
        """Logical axis `i` of the result is logical axis `axes[i]` of this."""
        return Value(self.data, tuple(self.order[axis] for axis in axes))

    def squeezed(self, axes: Sequence[int]) -> Value:
        """Without these logical axes, which are of size 1. The data stays in its order: LiteRT's converter refuses some
        of the squeezes that come after a transposition (TensorFlow 2.21)."""
        kept = [stored for axis, stored in enumerate(self.order) if axis not in axes]
        data = tf.squeeze(self.data, sorted(self.order[axis] for axis in axes))
        return Value(data, tuple(sorted(kept).index(stored) for stored in kept))

    def padded(self, rank: int) -> Value:
        """With axes of size 1 put before, as broadcasting does."""
        if rank == self.rank:
            return self
        missing = rank - self.rank
        return Value(tf.reshape(self.data, tf.concat([[1] * missing, tf.shape(self.data)], 0))).reordered(
            (*range(missing), *(missing + axis for axis in self.order))
        )

    def reordered(self, order: Order) -> Value:
        """The same data, read in another order."""
        return Value(self.data, order)

    def settled(self, dtype: Any, shape: Sequence[int | None]) -> Value:
        """Of this dtype, and with these logical sizes known. Raises ValueError where a size is another."""
        data = self.data if self.data.dtype == dtype else tf.cast(self.data, dtype)
        sizes: list[int | None] = [None] * self.rank
        for axis, size in zip(self.order, shape, strict=True):
            sizes[axis] = size
        data.set_shape(sizes)
        return Value(data, self.order) if data is not self.data else self


class Convolved(Value):
    """The result of a convolution that is said only when something asks for it.

    So a batch norm that is its only reader can put its scale and offset into the filter and the bias beforehand:
    `build(scale, offset)` says the convolution with each output channel times `scale` plus `offset`.
    """

    def __init__(self, build: Callable[[Value | None, Value | None], Any], order: Order) -> None:
        self.build = build
        self.order = order
        self._data = None
        self._moved = {}
        self._settled: tuple[Any, Sequence[int | None]] | None = None

    @property
    def data(self) -> Any:
        if self._data is None:
            value = Value(self.build(None, None), self.order)
            self._data = value.data if self._settled is None else value.settled(*self._settled).data
        return self._data

    def settled(self, dtype: Any, shape: Sequence[int | None]) -> Value:
        self._settled = dtype, shape
        return self

    def scaled(self, scale: Value, offset: Value) -> Value:
        return Convolved(lambda *_: self.build(scale, offset), self.order)


class WeightStore(Protocol):
    """Where the model's weights live: variables, or integers with scales."""

    def place(self, name: str, array: Array, channel: int | None) -> Any:
        """A tensor of `array`, the axis of whose output channels is `channel`, if it has any."""

    def rows(self, name: str, array: Array, indices: Any) -> Any:
        """`array[indices]`."""

    def twin(self, name: str, permutation: Sequence[int]) -> Any:
        """The weight of this name in this order of axes, made of what was placed in another order; None where nothing
        was. So an embedding and the head that it is tied to stay one variable."""


class Weight(Value):
    """An array known now. It is placed in the order it is asked for, so that no transposition is left to run time."""

    def __init__(self, name: str, array: Array, store: WeightStore, order: Order | None = None) -> None:
        self.name = name
        self.array = array
        self.store = store
        self.order = plain(array.ndim) if order is None else order

    @property
    def data(self) -> Any:
        return self.stored(self.order)

    @property
    def dtype(self) -> Any:
        return tf.as_dtype(self.array.dtype)

    @property
    def shape(self) -> list[int | None]:
        return [self.array.shape[axis] for axis in self.order]

    def stored(self, order: Order) -> Any:
        permutation = _permutation(self.order, order)
        twin = self.store.twin(self.name, permutation)
        if twin is not None:
            return twin
        moved = self.array.transpose(permutation)
        name = permuted_name(self.name, permutation)
        # torch keeps output channels first in every kind of weight but a transposed convolution's.
        return self.store.place(name, moved, permutation.index(0) if moved.ndim > 1 else None)

    def permuted(self, axes: Sequence[int]) -> Weight:
        return Weight(self.name, self.array, self.store, tuple(self.order[axis] for axis in axes))

    def reordered(self, order: Order) -> Weight:
        return Weight(self.name, self.array, self.store, order)

    def padded(self, rank: int) -> Value:
        return derive(f"rank{rank}", lambda array: array.reshape((1,) * (rank - array.ndim) + array.shape), self)

    def settled(self, dtype: Any, shape: Sequence[int | None]) -> Value:
        return self if dtype == self.dtype else Value(tf.cast(self.tensor, dtype))

    @property
    def value(self) -> Array:
        """The array in logical order."""
        return self.array.transpose(self.order)

    def rows(self, indices: Any) -> Any:
        return self.store.rows(self.name, self.value, indices)


def permuted_name(name: str, permutation: Sequence[int]) -> str:
    return name if list(permutation) == sorted(permutation) else f"{name}/{''.join(map(str, permutation))}"


def derive(name: str, function: Callable[..., Any], *weights: Value) -> Value:
    """`function` of weights, computed now. `function` takes arrays and gives one.

    `name` and the names of the weights are the result's identity: one name, one array.
    """
    known = [weight for weight in weights if isinstance(weight, Weight)]
    result = np.ascontiguousarray(function(*(weight.value for weight in known)))
    return Weight("/".join([*dict.fromkeys(weight.name for weight in known), name]), result, known[0].store)


def all_known(*values: Any) -> bool:
    return all(isinstance(value, Weight) for value in values)


def _permutation(have: Order, want: Order) -> list[int]:
    """`tf.transpose`'s argument: the stored axis that each new axis comes from."""
    permutation = [0] * len(have)
    for source, target in zip(have, want, strict=True):
        permutation[target] = source
    return permutation


def align(*operands: Any) -> tuple[list[Any], Order]:
    """Tensors that broadcast against each other as torch's do, and the order in which their common axes are stored.

    Operands are `Value`s or numbers. The order is that of the first value of full rank that is not in plain order.
    """
    values = [operand for operand in operands if isinstance(operand, Value)]
    rank = max(value.rank for value in values)
    full = [value for value in values if value.rank == rank and not isinstance(value, Weight)]
    order = next((value.order for value in full if value.order != plain(rank)), plain(rank))
    return [_aligned(operand, order) for operand in operands], order


def _aligned(operand: Any, order: Order) -> Any:
    if not isinstance(operand, Value):
        return operand
    if operand.rank == 0 or order == plain(len(order)):
        return operand.tensor
    return operand.padded(len(order)).stored(order)
