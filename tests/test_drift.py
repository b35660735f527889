"""Drift figures are finite and mean what they say; NaN, Inf, shape, dtype and names are never let through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from optimize.drift import DriftMeter, judge
from optimize.pipeline.schema import Tolerance, Tolerances

FLOATS = st.floats(-1e6, 1e6, width=32)


def measure(golden: np.ndarray, candidate: np.ndarray) -> DriftMeter:
    meter = DriftMeter()
    meter.add({"y": golden}, {"y": candidate}, "batch=1")
    return meter


@given(arrays(np.float32, (3, 4), elements=FLOATS))
def test_no_drift_from_itself(y: np.ndarray) -> None:
    figures = measure(y, y.copy()).figures()["y"]
    assert figures["max_abs"] == figures["max_relative"] == 0
    assert figures["cosine"] == pytest.approx(1)
    assert figures["top1"] == 1


@given(arrays(np.float32, (3, 4), elements=FLOATS), arrays(np.float32, (3, 4), elements=FLOATS))
def test_figures_are_always_finite(golden: np.ndarray, candidate: np.ndarray) -> None:
    figures = measure(golden, candidate).figures()["y"]
    assert all(np.isfinite(value) for value in figures.values() if value is not None)
    assert -1.000001 <= figures["cosine"] <= 1  # type: ignore[operator]


def test_relative_error_is_finite_where_the_reference_is_zero() -> None:
    figures = measure(np.zeros((2, 3), np.float32), np.full((2, 3), 0.5, np.float32)).figures()["y"]
    assert figures["max_relative"] == 0.5
    assert figures["cosine"] == 0


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (np.array([[1, np.nan]], np.float32), "NaN"),
        (np.array([[1, np.inf]], np.float32), "infinite"),
        (np.array([[1, 2, 3]], np.float32), "shape [1, 3]"),
        (np.array([[1, 2]], np.float64), "float64"),
    ],
)
def test_what_is_not_comparable_is_drift(candidate: np.ndarray, words: str) -> None:
    meter = measure(np.array([[1, 2]], np.float32), candidate)
    assert words in judge(meter.figures(), meter.problems, Tolerances().fp32)


def test_a_missing_output_is_drift() -> None:
    meter = DriftMeter()
    meter.add({"y": np.ones(2, np.float32)}, {"z": np.ones(2, np.float32)}, "batch=1")
    assert "output y is missing; there are z" in judge(meter.figures(), meter.problems, Tolerances().fp32)


def test_a_mask_of_minus_infinity_is_compared_as_it_is() -> None:
    golden = np.array([[1.0, -np.inf]], np.float32)
    assert not measure(golden, golden.copy()).problems
    assert measure(golden, np.array([[1.0, -1e9]], np.float32)).problems


@pytest.mark.parametrize(
    ("tolerance", "words"),
    [
        (Tolerance(max_relative=0.01), "relative error"),
        (Tolerance(cosine=0.999), "cosine"),
        (Tolerance(top1=0.9), "top-1"),
    ],
)
def test_each_bound_is_held(tolerance: Tolerance, words: str) -> None:
    golden = np.array([[1.0, 0.9], [1.0, 0.9]], np.float32)
    candidate = np.array([[0.8, 1.0], [1.0, 0.9]], np.float32)
    meter = measure(golden, candidate)
    assert words in judge(meter.figures(), meter.problems, tolerance)
    assert judge(meter.figures(), meter.problems, Tolerance()) == ""
