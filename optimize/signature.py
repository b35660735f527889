"""Named inputs and outputs of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Dimension = int | str


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named tensor: `dtype` by NumPy's name; a dimension is a size or a name (`batch`, `sequence`)."""

    name: str
    dtype: str
    shape: tuple[Dimension, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TensorSpec:
        return cls(value["name"], value["dtype"], tuple(value["shape"]))


@dataclass(frozen=True, slots=True)
class Range:
    """The sizes a named dimension may have, both ends included; without `high`, any from `low` on."""

    low: int = 1
    high: int | None = None

    def clip(self, size: int) -> int:
        return max(self.low, size if self.high is None else min(size, self.high))


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives, in the order of its own arguments and results.

    `ranges` holds the named dimensions that do not take every size, `methods` the signatures of further methods of the
    model, by the name under which a SavedModel serves each.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    methods: Mapping[str, Signature] = field(default_factory=dict)

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.outputs)

    @property
    def text_names(self) -> tuple[str, ...]:
        """The inputs and outputs that are text."""
        return tuple(spec.name for spec in (*self.inputs, *self.outputs) if spec.dtype == "str")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The named dimensions of the inputs, in order of first appearance."""
        return tuple(dict.fromkeys(d for spec in self.inputs for d in spec.shape if isinstance(d, str)))

    @property
    def batch(self) -> str | None:
        """The name of the first dimension of the first input, where it has one: rows of several calls can be joined."""
        first = self.inputs[0].shape[:1]
        return first[0] if first and isinstance(first[0], str) else None

    def batched(self) -> tuple[str, ...]:
        """The inputs that have the batch as their first dimension."""
        return tuple(s.name for s in self.inputs if self.batch is not None and s.shape[:1] == (self.batch,))

    def range_of(self, dimension: str) -> Range:
        return self.ranges.get(dimension, Range())

    def to_json(self) -> dict[str, Any]:
        plain = {"inputs": [s.to_json() for s in self.inputs], "outputs": [s.to_json() for s in self.outputs]}
        ranges = {name: [one.low, one.high] for name, one in self.ranges.items()}
        methods = {name: one.to_json() for name, one in self.methods.items()}
        return plain | ({"ranges": ranges} if ranges else {}) | ({"methods": methods} if methods else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Signature:
        ranges = {name: Range(*ends) for name, ends in value.get("ranges", {}).items()}
        methods = {name: cls.from_json(one) for name, one in value.get("methods", {}).items()}
        return cls(_specs(value["inputs"]), _specs(value["outputs"]), ranges, methods)

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.inputs))}) -> ({', '.join(map(str, self.outputs))})"


def _specs(values: Iterable[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec.from_json(value) for value in values)
