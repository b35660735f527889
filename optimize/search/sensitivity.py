"""How sensitive layers are, out of what quantizing each alone adds to its own output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from optimize.arrays import Array

MOST_DB = 200.0
"""Where there is no noise at all."""
SIGNAL, NOISE = "signal", "noise"


class Sums:
    """Of the squares of a layer's output and of what is added to it, per channel, over batches."""

    def __init__(self) -> None:
        self._sums: dict[str, Array] = {}

    def add(self, sums: Mapping[str, Array]) -> None:
        """Of one batch: `LAYER/signal` and `LAYER/noise`, an array with one number per channel."""
        for name, value in sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.astype(np.float64)

    def ranked(self, layers: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        """`layer`, `kind` and `snr_db` of these names and kinds, the most sensitive first; ties as they are given."""
        rows = [{"layer": name, "kind": kind, "snr_db": self._decibels(name)} for name, kind in layers]
        return sorted(rows, key=lambda row: row["snr_db"])

    def _decibels(self, layer: str) -> float:
        """The mean over the channels is of decibels, so that one large channel does not hide what the rest lose."""
        signal, noise = self._sums[f"{layer}/{SIGNAL}"], self._sums[f"{layer}/{NOISE}"]
        signal, noise = signal[signal > 0], noise[signal > 0]
        if not len(signal):
            return MOST_DB
        ratios = 10 * np.log10(signal / np.maximum(noise, 1e-30 * signal))
        return round(float(np.clip(ratios, -MOST_DB, MOST_DB).mean()), 2)
