"""Rows of real data, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimize.arrays import Arrays


@dataclass(frozen=True)
class Samples:
    """Arrays by name that share their first dimension, the row."""

    arrays: Arrays

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def rows(self, start: int, stop: int) -> Arrays:
        return {name: value[start:stop] for name, value in self.arrays.items()}

    def batches(self, size: int) -> Iterator[Arrays]:
        """Batches of `size` rows; the last may be shorter."""
        for start in range(0, len(self), size):
            yield self.rows(start, start + size)
