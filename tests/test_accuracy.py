from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.accuracy import compare, load_metric, top1_scores
from optimize.errors import UserError

SCORES = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60)


@given(SCORES)
def test_a_candidate_that_answers_as_the_source_has_no_difference_but_an_interval(scores: list[float]) -> None:
    difference = compare(np.array(scores), np.array(scores))
    low, high = difference.difference_ci
    assert difference.difference == 0
    assert low < 0 < high, "agreement on few rows is no proof of agreement on all"


@given(SCORES, st.randoms())
def test_the_interval_holds_the_difference_and_narrows_with_rows(scores: list[float], random: object) -> None:
    source = np.array(scores)
    candidate = 1 - source
    one, many = compare(source, candidate), compare(np.tile(source, 50), np.tile(candidate, 50))
    for result in (one, many):
        assert result.difference == pytest.approx(result.score - result.source_score)
    assert many.difference_ci[1] - many.difference_ci[0] <= one.difference_ci[1] - one.difference_ci[0] + 1e-9


def test_scores_that_are_not_zero_or_one_are_bootstrapped() -> None:
    rng = np.random.default_rng(0)
    source = rng.random(500)
    result = compare(source, source - 0.1)
    assert result.difference == pytest.approx(-0.1)
    assert result.difference_ci == pytest.approx((-0.1, -0.1))


def test_top1_is_the_largest_element() -> None:
    outputs = {"logits": np.array([[0.1, 0.9], [0.8, 0.2]])}
    assert top1_scores(outputs, np.array([1, 1]), None).tolist() == [1.0, 0.0]


def test_several_outputs_need_a_name() -> None:
    outputs = {"a": np.zeros((2, 2)), "b": np.zeros((2, 2))}
    with pytest.raises(UserError, match="say which output is scored; the model has a, b"):
        top1_scores(outputs, np.zeros(2), None)


def test_a_metric_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "metric.py").write_text("def error(outputs, labels):\n    return -abs(outputs['y'] - labels)\n")
    metric = load_metric("metric.py:error", tmp_path, None)
    assert metric({"y": np.array([1.0, 2.0])}, np.array([1.0, 0.0])).tolist() == [0.0, -2.0]


@pytest.mark.parametrize(
    ("body", "words"),
    [("raise KeyError('gone')", "KeyError"), ("return 3", "one score per row"), ("oops(", "does not import")],
)
def test_a_metric_that_fails_is_the_users_to_mend(tmp_path: Path, body: str, words: str) -> None:
    (tmp_path / "metric.py").write_text(f"def error(outputs, labels):\n    {body}\n")
    with pytest.raises(UserError, match=words):
        load_metric("metric.py:error", tmp_path, None)({"y": np.zeros(2)}, np.zeros(2))
