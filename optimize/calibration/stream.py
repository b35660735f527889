"""Rows as they come from a reader, each batch checked against the signature."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.calibration.reader import Reader
from optimize.data import check_finite, check_headers
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec


class Stream:
    """Exactly as many rows as the file asks for; all there are where it asks for no number."""

    def __init__(self, reader: Reader, signature: Signature, where: str, rows: int | None, key: str) -> None:
        self._reader = reader
        self._signature = signature
        self._where = where
        self._key = key
        self._rows = reader.count if rows is None else rows
        if self._rows > reader.count:
            raise UserError(f"{where} has {reader.count} rows, and `rows: {rows}` asks for more", key)
        if not self._rows:
            raise UserError(f"{where} has no rows", key)
        _check_fixed_batch(signature, self._rows, rows is not None, key)

    def __len__(self) -> int:
        return self._rows

    def batches(self, size: int) -> Iterator[Arrays]:
        """Raises UserError for values that are not finite, and at the end where every row was the same."""
        first: Arrays | None = None
        varied = False
        for batch in self._reader.batches(size, self._rows):
            self._check(batch)
            first = first or {name: array[:1].copy() for name, array in batch.items()}
            varied = varied or any(not _is_constant(array, first[name]) for name, array in batch.items())
            yield batch
        if not varied:
            raise UserError(
                f"{self._where}: every row is the same, so that no range of values can be seen; give rows as they come "
                f"when the model serves",
                self._key,
            )

    def _check(self, batch: Arrays) -> None:
        found = {n: TensorSpec(n, a.dtype.name, (len(self), *a.shape[1:])) for n, a in batch.items()}
        check_headers(found, self._signature, self._where, self._key)
        check_finite(batch, self._signature, self._where, self._key)


def _is_constant(array: Array, first: Array) -> bool:
    """Whether it holds one row again and again; a single row, one value."""
    if array.shape[1:] != first.shape[1:]:
        return False
    return bool((array == first).all()) and (len(array) > 1 or bool((array == array.flat[0]).all()))


def _check_fixed_batch(signature: Signature, rows: int, asked: bool, key: str) -> None:
    """Where the signature fixes the batch, rows that do not fill one cannot be read."""
    first = signature.inputs[0].shape[0] if signature.inputs[0].shape else 1
    if asked and isinstance(first, int) and rows % first:
        raise UserError(
            f"`rows: {rows}` does not fill batches of {first}, which the signature fixes; write "
            f"{max(first, rows // first * first)}",
            key,
        )


def stack(rows: list[Arrays], where: str, key: str) -> Arrays:
    """Single rows as a batch. Raises UserError where they differ in names or shapes."""
    try:
        return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    except (ValueError, KeyError) as error:
        shapes = {str({name: np.shape(value) for name, value in row.items()}) for row in rows}
        raise UserError(
            f"{where}: rows of one batch differ: {', '.join(sorted(shapes)[:3])}; pad them to one shape", key
        ) from error
