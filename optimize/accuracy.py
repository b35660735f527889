"""Scores on labelled data, and the paired difference between candidate and source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.errors import UserError
from optimize.sources.user_code import load_reference

Metric = Callable[[Arrays, Array], Array]
Z95 = 1.959963984540054
RESAMPLES = 2000


@dataclass(frozen=True)
class PairedDifference:
    """Mean score of candidate minus source, on the same rows, with a 95 % interval."""

    score: float
    source_score: float
    difference: float
    difference_ci: tuple[float, float]
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "difference_ci": list(self.difference_ci)}


def load_metric(name: str, base: Path, output: str | None) -> Metric:
    if name == "accuracy":
        return lambda outputs, labels: top1_scores(outputs, labels, output)
    function = load_reference(name, base, "data.evaluation.metric")

    def scored(outputs: Arrays, labels: Array) -> Array:
        try:
            scores = np.asarray(function(outputs, labels), dtype=np.float64)
        except Exception as error:
            raise UserError(f"{name} raised {type(error).__name__}: {error}", "data.evaluation.metric") from error
        if scores.shape != (len(labels),):
            raise UserError(
                f"{name} gave an array of shape {list(scores.shape)}; expected one score per row: [{len(labels)}]",
                "data.evaluation.metric",
            )
        return scores

    return scored


def top1_scores(outputs: Arrays, labels: Array, output: str | None) -> Array:
    """1 where the largest element (or, for a vector of labels, the value) is the label, else 0."""
    if output is not None and output not in outputs:
        raise UserError(f"there is no output {output!r}; the model has {', '.join(outputs)}", "data.evaluation.output")
    if output is None and len(outputs) > 1:
        raise UserError(f"say which output is scored; the model has {', '.join(outputs)}", "data.evaluation.output")
    values = outputs[output] if output else next(iter(outputs.values()))
    predicted = values.argmax(-1) if values.ndim > 1 else values
    if predicted.shape != labels.shape:
        raise UserError(
            f"labels of shape {list(labels.shape)} do not match predictions of shape {list(predicted.shape)}",
            "data.evaluation.labels",
        )
    scores: Array = (predicted == labels).astype(np.float64)
    return scores if scores.ndim == 1 else scores.reshape(len(scores), -1).mean(1)


def compare(source: Array, candidate: Array) -> PairedDifference:
    """Both of shape [rows]."""
    binary = np.isin(source, (0.0, 1.0)).all() and np.isin(candidate, (0.0, 1.0)).all()
    interval = _paired_proportions(source, candidate) if binary else _bootstrap(candidate - source)
    difference = float((candidate - source).mean())
    return PairedDifference(float(candidate.mean()), float(source.mean()), difference, interval, len(source))


def _paired_proportions(source: Array, candidate: Array) -> tuple[float, float]:
    """Adjusted Wald interval for paired proportions (Bonett and Price 2012, J. Educ. Behav. Stat. 37:479).

    Unlike the bootstrap it has a width where the two disagree on no row.
    """
    n = len(source) + 2
    gained = (float(((candidate == 1) & (source == 0)).sum()) + 1) / n
    lost = (float(((candidate == 0) & (source == 1)).sum()) + 1) / n
    half = Z95 * math.sqrt((gained + lost - (gained - lost) ** 2) / n)
    return (max(-1.0, gained - lost - half), min(1.0, gained - lost + half))


def _bootstrap(differences: Array) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.quantile(differences[rows].mean(1), (0.025, 0.975))
    return (float(low), float(high))
