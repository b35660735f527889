"""The user's data files: what is in them, and whether it fits the signature."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Arrays, dtype_name, load_arrays
from optimize.errors import UserError
from optimize.samples import Samples
from optimize.signature import Signature, TensorSpec

Headers = dict[str, TensorSpec]


def read_headers(path: Path, key: str) -> Headers:
    """Names, dtypes and shapes in an `.npz`, without reading the arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _header(archive, name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path} is not a whole .npz file ({error}); write one with numpy.savez(path, name=array)", key
        ) from error


def _header(archive: zipfile.ZipFile, name: str) -> TensorSpec:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
        if dtype.hasobject:
            raise ValueError(f"{name} holds pickled objects")
    return TensorSpec(name.removesuffix(".npy"), dtype_name(dtype), tuple(shape))


def check_headers(
    headers: Mapping[str, TensorSpec], signature: Signature, path: Path | str, key: str, labels: str = ""
) -> None:
    """Raises UserError unless the arrays are rows of what the signature takes."""
    for spec in signature.inputs:
        found = headers.get(spec.name)
        if found is None:
            raise UserError(f"{path} has no array {spec.name!r}; it has {', '.join(sorted(headers)) or 'none'}", key)
        if found.dtype != spec.dtype:
            raise UserError(f"{path}: {spec.name} is {found.dtype}, and the signature says {spec.dtype}", key)
        if not _fits(found.shape, spec.shape):
            raise UserError(f"{path}: {found} does not fit the signature's {spec}", key)
        _check_ranges(found, spec, signature, path, key)
    if labels and labels not in headers:
        raise UserError(
            f"{path} has no array {labels!r} for the labels; it has {', '.join(sorted(headers))}",
            "data.evaluation.labels",
        )
    rows = {name: headers[name].shape[:1] for name in [*signature.input_names, *([labels] if labels else [])]}
    if len(set(rows.values())) > 1:
        raise UserError(f"{path}: arrays have different numbers of rows: {rows}", key)
    if any(count == (0,) for count in rows.values()):
        raise UserError(f"{path} has no rows", key)


def _fits(shape: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Rows stand along the first dimension: it fits a fixed size of N when there are at least N rows."""
    if len(shape) != len(wanted) or not shape:
        return False
    first = isinstance(wanted[0], str) or shape[0] >= wanted[0]
    return first and all(isinstance(w, str) or w == s for s, w in zip(shape[1:], wanted[1:], strict=True))


def _check_ranges(found: TensorSpec, spec: TensorSpec, signature: Signature, path: Path | str, key: str) -> None:
    """Of all dimensions but the rows', which are taken as few at a time as is wanted."""
    for size, dimension in zip(found.shape[1:], spec.shape[1:], strict=True):
        if isinstance(dimension, str) and isinstance(size, int):
            allowed = signature.range_of(dimension)
            if allowed.clip(size) != size:
                raise UserError(
                    f"{path}: {spec.name} has {size} along {dimension}, and source.dimensions allows {allowed.low} to "
                    f"{allowed.high or 'any'}",
                    key,
                )


def read_rows(path: Path, signature: Signature, key: str) -> Samples:
    """The inputs' arrays of a checked file. Raises UserError for values that are not finite."""
    arrays = load_arrays(path)
    check_finite(arrays, signature, path, key)
    return Samples({spec.name: arrays[spec.name] for spec in signature.inputs})


def check_finite(arrays: Arrays, signature: Signature, path: Path | str, key: str) -> None:
    for spec in signature.inputs:
        values = arrays[spec.name]
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise UserError(f"{path}: {spec.name} holds NaN or infinite values", key)


def random_rows(signature: Signature, count: int, sizes: Mapping[str, int]) -> Samples:
    """Seeded stand-ins where the user gave no data: standard normal floats, zeros and ones for the rest."""
    rng = np.random.default_rng(0)
    arrays: Arrays = {}
    for spec in signature.inputs:
        shape = (
            count,
            *(sizes.get(d, signature.range_of(d).clip(8)) if isinstance(d, str) else d for d in spec.shape[1:]),
        )
        drawn = rng.standard_normal(shape) if spec.dtype.startswith("float") else rng.integers(0, 2, shape)
        arrays[spec.name] = drawn.astype(spec.dtype)  # As text: "0" and "1".
    return Samples(arrays)
