"""From the distribution of a tensor to the range that its integers cover. Pure arithmetic on histograms."""

from __future__ import annotations

import numpy as np

from optimize.arrays import Array

BINS = 1 << 14
"""Equal bins over [-m, m], m the tensor's largest magnitude: 128 KB a tensor."""
FOLDED = 2048
"""Bins of magnitudes that the entropy is computed on."""
STRIDE = 16

Range = tuple[float, float]


def percentile_range(counts: Array, extremes: Range, percentile: float) -> Range:
    """What holds all but (100 - percentile) % of the numbers at either end."""
    most = max(map(abs, extremes)) or 1.0
    edges = np.linspace(-most, most, BINS + 1)
    share = np.cumsum(counts) / max(1, counts.sum())
    cut = 1 - percentile / 100
    low = edges[int(np.searchsorted(share, cut, side="right"))]
    high = edges[min(BINS, int(np.searchsorted(share, 1 - cut)) + 1)]
    return _within(float(low), float(high), extremes)


def entropy_range(counts: Array, extremes: Range) -> Range:
    """The magnitude at which rounding to the integers' levels loses least information: the least Kullback-Leibler
    divergence from the clipped distribution to the rounded one (Migacz 2017, 8-bit Inference with TensorRT)."""
    half = BINS // 2
    folded = counts[half:] + counts[:half][::-1]
    folded = folded.reshape(FOLDED, -1).sum(1).astype(np.float64)
    levels = 128 if extremes[0] < 0 else 256
    best = min(range(levels, FOLDED + 1, STRIDE), key=lambda stop: _divergence(folded, stop, levels))
    most = (max(map(abs, extremes)) or 1.0) * best / FOLDED
    return _within(-most, most, extremes)


def _divergence(folded: Array, stop: int, levels: int) -> float:
    kept = folded[:stop]
    clipped = kept.copy()
    clipped[-1] += folded[stop:].sum()
    starts = np.arange(levels) * stop // levels
    filled = np.maximum(1, np.add.reduceat((kept > 0).astype(np.float64), starts))
    means = np.add.reduceat(kept, starts) / filled
    rounded = np.where(kept > 0, np.repeat(means, np.diff(np.append(starts, stop))), 0)
    p, q = _smooth(clipped), _smooth(rounded)
    return float(np.sum(p * np.log(p / q)))


def _smooth(counts: Array, least: float = 1e-6) -> Array:
    """As a distribution without zeros, which the divergence cannot have."""
    share = counts / max(1.0, counts.sum()) + least
    smoothed: Array = share / share.sum()
    return smoothed


def _within(low: float, high: float, extremes: Range) -> Range:
    return max(low, extremes[0]), min(high, extremes[1])
