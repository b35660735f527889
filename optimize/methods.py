"""What a quantizer declares of its method, and what one quantization is given.

Apart from `optimize.stages`, which the measured processes import: a method's options are a section of the pipeline
file, and those processes do without pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimize import stages
from optimize.arrays import Arrays
from optimize.samples import Rows
from optimize.sections import Section

AUTO = "auto"
"""What a candidate is quantized by where a search is to find it."""
SOURCE_PRECISION = "fp32"
"""Of what is not quantized."""
OPTIONS = "candidates.options"
"""The key of a UserError about an option that does not fit the model."""


class NoOptions(Section):
    """Of a method that has nothing to set."""


@dataclass(frozen=True)
class Method:
    """How a quantizer quantizes. Quantizers that make the same format by a method of one name declare equal methods."""

    name: str
    """What candidates end with: `dynamic`, `static`, `weight_only`, ..."""
    precision: str
    """`int8`, `int4`, `fp16` or `bf16`: the section of `tolerances` that judges its candidates."""
    calibrated: bool = False
    """It reads `data.calibration`."""
    options: type[Section] = NoOptions
    """What `candidates.options` may set, every key with a default."""
    remedies: tuple[Mapping[str, Any], ...] = ()
    """Options that a search tries one after the other where the defaults drift too far."""
    targeted: bool = False
    """It reads the target's instruction sets, which then enter the store's key."""


@dataclass(frozen=True)
class Task:
    """What one quantization is given besides the model."""

    options: Any
    """An instance of the method's `options`."""
    calibration: Rows | None
    """There exactly when the method is `calibrated`."""
    examples: Arrays
    """Real inputs by name, two rows where the batch is a named dimension."""
    isa: frozenset[str] = frozenset()
    """The target's instruction sets by the names of benchmarks/targets.yaml; empty unless the method is `targeted`."""
    architecture: str = ""
    """The target's (`x86_64`, `aarch64`), under the same condition."""

    @property
    def rows(self) -> Rows:
        """The calibration data of a calibrated method."""
        if self.calibration is None:
            raise ValueError("a calibrated method was given no calibration data")
        return self.calibration


def methods() -> Mapping[str, Mapping[str, Method]]:
    """Name of the method to format to method, over all quantizers."""
    found: dict[str, dict[str, Method]] = {}
    for quantizer in stages.quantizers().values():
        found.setdefault(quantizer.method.name, {}).setdefault(quantizer.makes, quantizer.method)
    return found


def find_method(quantization: str, format: str) -> Method | None:
    return methods().get(quantization, {}).get(format)


def precision_of(quantization: str, format: str) -> str:
    """`fp32` for `none`; int8 where the quantizer is not installed here."""
    if quantization == "none":
        return SOURCE_PRECISION
    method = find_method(quantization, format) or next(iter(methods().get(quantization, {}).values()), None)
    return method.precision if method else "int8"
