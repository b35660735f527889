"""Rows of real data, read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from optimize.arrays import Arrays


class Rows(Protocol):
    """Arrays by name that share their first dimension, the row. They need not be in memory."""

    def __len__(self) -> int: ...

    def batches(self, size: int) -> Iterator[Arrays]:
        """From the first row on, `size` at a time; the last batch may be shorter. May be called again."""


@dataclass(frozen=True)
class Samples:
    """Rows in memory."""

    arrays: Arrays

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def rows(self, start: int, stop: int) -> Arrays:
        return {name: value[start:stop] for name, value in self.arrays.items()}

    def batches(self, size: int) -> Iterator[Arrays]:
        for start in range(0, len(self), size):
            yield self.rows(start, start + size)


def first_rows(rows: Rows, count: int) -> Samples:
    """The first `count`, or all where there are fewer, in memory."""
    batches = rows.batches(count)
    first = Samples({name: array.copy() for name, array in next(batches).items()})
    if len(rows) <= count:
        list(batches)  # There is none; but what the rows have against their end is heard.
    return first


@dataclass(frozen=True)
class Batches:
    """Batches that can be gone through again and again, each time from the first."""

    start: Callable[[], Iterator[Arrays]]
    count: int
    size: int
    """Rows of a batch; the last may have fewer."""

    def __iter__(self) -> Iterator[Arrays]:
        return self.start()

    def __len__(self) -> int:
        return self.count
