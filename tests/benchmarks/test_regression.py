"""The gate on regression is a law on intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.benchmarks.regression import judge_regression
from optimize.benchmarks.statistics import Ratio

FACTORS = st.floats(0.5, 2)
MARGINS = st.floats(0.001, 0.5)


@given(low=FACTORS, width=st.floats(1, 1.5), margin=MARGINS)
def test_it_is_regressed_or_ok_only_where_the_whole_interval_lies_on_one_side(
    low: float, width: float, margin: float
) -> None:
    verdict = judge_regression(Ratio(low * width**0.5, low, low * width), margin)
    assert (verdict == "regressed") == (low > 1 + margin)
    assert (verdict == "ok") == (low * width < 1 + margin)


@given(value=FACTORS, margin=MARGINS)
def test_neither_is_said_where_a_candidate_differs_from_itself_by_more_than_half_the_margin(
    value: float, margin: float
) -> None:
    off = Ratio(math.exp(0.51 * margin), 1.0, 2.0)
    assert judge_regression(Ratio(value, value, value), margin, off) == "inconclusive"


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Ratio(1.05, 1.04, 1.06), "regressed"),
        (Ratio(1.00, 0.99, 1.01), "ok"),
        (Ratio(0.80, 0.70, 0.90), "ok"),
        (Ratio(1.03, 1.01, 1.05), "inconclusive"),
    ],
)
def test_a_margin_of_two_percent(ratio: Ratio, verdict: str) -> None:
    assert judge_regression(ratio, 0.02, Ratio(1.001, 0.99, 1.01)) == verdict
