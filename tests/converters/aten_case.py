"""What a case of the ATen → SavedModel tests is: a module, its inputs, and the sizes it is checked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.signature import Dimension, Signature, TensorSpec


@dataclass(frozen=True)
class Input:
    dtype: str
    shape: tuple[Dimension, ...]
    high: int = 10
    """Integers are drawn below it."""


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Any]
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...] = ("output",)
    checked: tuple[Mapping[str, int], ...] = ({"batch": 1, "sequence": 5}, {"batch": 5, "sequence": 12})
    traced: Mapping[str, int] | None = None
    tolerance: float = 1e-4
    training: bool = False

    @property
    def signature(self) -> Signature:
        return Signature(
            tuple(TensorSpec(name, spec.dtype, spec.shape) for name, spec in self.inputs.items()),
            tuple(TensorSpec(name, "float32", ()) for name in self.outputs),
        )

    def examples(self) -> Arrays:
        return self.arrays({"batch": 2, "sequence": 7, "height": 32, "width": 48, **(self.traced or {})}, seed=0)

    def arrays(self, sizes: Mapping[str, int], seed: int) -> Arrays:
        random = np.random.default_rng(seed)
        return {name: _array(random, spec, sizes) for name, spec in self.inputs.items()}


def _array(random: np.random.Generator, spec: Input, sizes: Mapping[str, int]) -> Array:
    shape = [sizes[d] if isinstance(d, str) else d for d in spec.shape]
    if spec.dtype == "bool":
        return random.random(shape) < 0.6
    if spec.dtype.startswith(("int", "uint")):
        return random.integers(0, spec.high, shape).astype(spec.dtype)
    return random.standard_normal(shape).astype(spec.dtype)
