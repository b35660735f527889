"""Inputs as a model itself declares them, and what the pipeline file says of them."""

from __future__ import annotations

from collections.abc import Sequence

from optimize.errors import UserError
from optimize.signature import Dimension, TensorSpec
from optimize.sources.base import DTYPES


def infer_input(name: str, dtype: str, shape: Sequence[int | None], key: str) -> TensorSpec:
    """Raises UserError, about `key`, for an element type that NumPy or the pipeline file has no name for."""
    if dtype not in DTYPES:
        raise UserError(f"input {name} is {dtype}, which this tool does not carry; one of {', '.join(DTYPES)}", key)
    return TensorSpec(name, dtype, name_dimensions(shape))


def name_dimensions(shape: Sequence[int | None]) -> tuple[Dimension, ...]:
    """Sizes stay; None becomes a name, the same one on the same axis of every input, since such inputs (ids and their
    mask) mostly go together: `batch`, `sequence` along the second of two or three axes, else `dim_2`."""
    return tuple(_name(axis, len(shape)) if size is None else size for axis, size in enumerate(shape))


def _name(axis: int, rank: int) -> str:
    if axis == 0:
        return "batch"
    return "sequence" if axis == 1 and rank <= 3 else f"dim_{axis}"


def has_shape_of(declared: TensorSpec, own: TensorSpec) -> bool:
    """Whether the model takes every shape that the file allows."""
    return len(declared.shape) == len(own.shape) and all(
        isinstance(size, str) or size == wanted for wanted, size in zip(declared.shape, own.shape, strict=True)
    )


def lie(declared: TensorSpec, own: TensorSpec) -> UserError:
    return UserError(f"the file says {declared}, and the model takes {own}", "source.inputs")


def told(specs: Sequence[TensorSpec]) -> str:
    words = ", ".join(map(str, specs))
    return f"one input ({words})" if len(specs) == 1 else f"{len(specs)} inputs ({words})"
