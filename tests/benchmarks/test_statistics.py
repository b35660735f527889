"""Laws of the statistics, on samples whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.benchmarks.statistics import (
    NEEDED,
    mean_interval,
    mean_of_medians,
    median_of_few,
    paired_ratio,
    percentile,
)

POSITIVE = st.floats(1e-3, 1e3)


@pytest.mark.parametrize(("share", "needed"), NEEDED.items())
def test_a_percentile_is_null_below_the_samples_it_needs(share: float, needed: int) -> None:
    samples = np.arange(needed, dtype=float)
    assert percentile(samples, share) is not None
    assert percentile(samples[:-1], share) is None


@given(st.lists(POSITIVE, min_size=11, max_size=80))
def test_a_percentile_lies_within_the_samples(values: list[float]) -> None:
    p50 = percentile(np.array(values), 0.5)
    assert p50 is not None and min(values) <= p50 <= max(values)


@given(st.lists(st.lists(st.floats(-1, 1), min_size=10, max_size=20), min_size=3, max_size=5))
def test_the_interval_holds_the_estimate_and_the_inverse_ratio_is_the_mirror(rounds: list[list[float]]) -> None:
    generations = [np.array(r) for r in rounds]
    ratio = paired_ratio(generations)
    assert ratio.low <= ratio.value <= ratio.high
    mirror = paired_ratio([-g for g in generations])
    assert mirror.value == pytest.approx(1 / ratio.value)


def simulate(
    rng: np.random.Generator, truth: float, generations: int = 5, rounds: int = 40, between: float = 0.003
) -> list[np.ndarray]:
    """Log ratios with noise between generations as well as within."""
    shifts = rng.normal(0, between, generations)
    return [math.log(truth) + shift + rng.normal(0, 0.03, rounds) for shift in shifts]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        ratio = paired_ratio(simulate(rng, 1.05), resamples=300)
        covered += ratio.low <= 1.05 <= ratio.high
    assert covered >= 170, f"a 95 % interval covered {covered / 2:.0f} %"


def test_where_processes_differ_more_than_rounds_the_estimate_beats_the_median_of_all() -> None:
    rng = np.random.default_rng(0)
    trials = [simulate(rng, 1.05, between=0.03) for _ in range(2000)]
    errors = np.array([(np.median(np.concatenate(t)), mean_of_medians(t)) for t in trials]) - math.log(1.05)
    of_all, of_means = np.sqrt((errors**2).mean(axis=0))
    assert of_means < of_all


def test_a_generation_that_is_off_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    calm = [rng.normal(0, 0.01, 50) for _ in range(5)]
    moved = [*calm[:4], calm[4] + 0.2]
    assert paired_ratio(moved).half_width > 2 * paired_ratio(calm).half_width


def test_unequal_generations_are_taken_alike() -> None:
    low, high = mean_interval([np.zeros(10), np.zeros(500), np.zeros(30)])
    assert low == high == 0
    assert mean_of_medians([np.zeros(10), np.full(500, 3.0), np.zeros(20)]) == pytest.approx(1)


def test_the_median_of_five_has_all_five_as_its_interval() -> None:
    assert median_of_few([5, 1, 2, 4, 3]) == (3, (1, 5))


def test_the_median_of_many_has_a_narrower_one() -> None:
    _, (low, high) = median_of_few(list(range(100)))
    assert 35 <= low < 49.5 < high <= 64
