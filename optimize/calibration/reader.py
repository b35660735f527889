"""What a kind of calibration data gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from optimize.arrays import Arrays


class Reader(Protocol):
    """Rows from where they lie."""

    count: int
    """Rows there are."""

    def batches(self, size: int, rows: int) -> Iterator[Arrays]:
        """The first `rows` rows and not one more, `size` at a time, from the beginning at each call."""
