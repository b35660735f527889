"""Figures out of samples: percentiles with the data they need, paired ratios with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimize.arrays import Array

RESAMPLES = 2000
PART = 1_000_000
"""Values drawn at a time."""
NEEDED = {0.5: 11, 0.9: 64, 0.95: 130, 0.99: 662, 0.999: 6636}
"""Samples a percentile needs at 99 % confidence with one allowed above (MLPerf LoadGen's early-stopping rule)."""


@dataclass(frozen=True)
class Ratio:
    """exp(mean over generations of their median log ratio of a round) with a 95 % interval; under 1 is faster than the
    reference."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Of the interval on the log scale: 0.015 is 1.5 % to each side."""
        return math.log(self.high / self.low) / 2


def percentile(samples: Array, share: float) -> float | None:
    """None where there are too few samples to tell it from the maximum."""
    if len(samples) < NEEDED[share]:
        return None
    return float(np.quantile(samples, share))


def paired_ratio(generations: Sequence[Array], resamples: int = RESAMPLES, seed: int = 0) -> Ratio:
    """`generations` holds, per generation of processes, the log ratio of every round.

    Median within a generation, since single rounds are disturbed; mean over generations, since processes differ by
    themselves and a median of few of them is noisier than their mean. The interval is a hierarchical percentile
    bootstrap: generations are resampled, then the rounds within each (Kalibera and Jones 2013, "Rigorous benchmarking
    in reasonable time").
    """
    estimate = mean_of_medians(generations)
    low, high = mean_interval(generations, resamples, seed)
    return Ratio(math.exp(estimate), math.exp(min(low, estimate)), math.exp(max(high, estimate)))


def mean_of_medians(generations: Sequence[Array]) -> float:
    """Every generation counts alike, however many rounds it has."""
    return float(np.mean([np.median(rounds) for rounds in generations]))


def mean_interval(generations: Sequence[Array], resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Hierarchical 95 % interval of `mean_of_medians`.

    Every generation that is drawn gives as many rounds as the shortest has.
    """
    rng = np.random.default_rng(seed)
    means: list[float] = []
    # A part at a time: thousands of resamples of thousands of rounds would take hundreds of megabytes.
    part = max(1, min(resamples, PART // sum(map(len, generations))))
    while len(means) < resamples:
        means += _resampled(generations, min(part, resamples - len(means)), rng)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _resampled(generations: Sequence[Array], resamples: int, rng: np.random.Generator) -> list[float]:
    pooled = np.concatenate(generations)
    lengths = np.array([len(rounds) for rounds in generations])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    chosen = rng.integers(0, len(lengths), (resamples, len(lengths), 1))
    drawn = rng.random((resamples, len(lengths), int(lengths.min())))
    rows = starts[chosen] + (drawn * lengths[chosen]).astype(np.int64)
    found: list[float] = np.median(pooled[rows], axis=2).mean(axis=1).tolist()
    return found


def median_of_few(samples: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Median, and the interval between order statistics that covers it at 95 % (or all there is, below six samples)."""
    ordered = sorted(samples)
    n = len(ordered)
    k = 0
    while k + 1 < n // 2 and _binomial_tail(n, k + 1) <= 0.025:
        k += 1
    return float(np.median(ordered)), (ordered[k], ordered[n - 1 - k])


def _binomial_tail(n: int, k: int) -> float:
    """P(at most k of n fall below the median)."""
    return float(sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def summary(values: dict[str, Any], digits: int = 6) -> dict[str, Any]:
    """Floats rounded to significant digits, so that reports hold no noise."""
    return {k: float(f"{v:.{digits}g}") if isinstance(v, float) else v for k, v in values.items()}
