"""How far a candidate's outputs are from the golden, and whether that is too far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from optimize.arrays import Array, Arrays, dtype_name

if TYPE_CHECKING:
    from optimize.pipeline.schema import Tolerance  # Workers measure drift, and do without the file's types.


class DriftMeter:
    """Accumulates drift over calls, one output at a time, in float64 and without keeping the arrays."""

    def __init__(self) -> None:
        self._outputs: dict[str, _OutputDrift] = {}
        self.problems: list[str] = []

    def add(self, golden: Arrays, candidate: Arrays, where: str) -> None:
        for name, expected in golden.items():
            if name not in candidate:
                self._note(f"output {name} is missing; there are {', '.join(sorted(candidate))}")
                continue
            problem = _mismatch(expected, candidate[name])
            if problem:
                self._note(f"output {name} at {where} {problem}")
            else:
                self._outputs.setdefault(name, _OutputDrift()).add(expected, candidate[name])

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def figures(self) -> dict[str, dict[str, float | None]]:
        return {name: output.figures() for name, output in self._outputs.items()}


def _mismatch(expected: Array, got: Array) -> str:
    if dtype_name(got.dtype) != dtype_name(expected.dtype):
        return f"is {dtype_name(got.dtype)}, and the source's is {dtype_name(expected.dtype)}"
    if got.shape != expected.shape:
        return f"has shape {list(got.shape)}, and the source's has {list(expected.shape)}"
    # Where the source itself is not finite (a mask of -inf, say) the candidate must agree exactly.
    if got.dtype.kind == "f":
        strange = ~np.isfinite(expected)
        if not np.array_equal(got[strange], expected[strange], equal_nan=True):
            return "differs where the source is NaN or infinite"
        if not np.isfinite(got[~strange]).all():
            return "holds NaN or infinite values where the source does not"
    return ""


class _OutputDrift:
    """Running sums of one output."""

    def __init__(self) -> None:
        self._max_abs = 0.0
        self._max_relative = 0.0
        self._dot = self._candidate2 = self._golden2 = 0.0
        self._rows = self._agreeing = 0

    def add(self, expected: Array, got: Array) -> None:
        if expected.dtype.kind == "U":  # Text is right or wrong: an error of 0 or of 1.
            expected, got = np.ones(expected.shape), (expected == got).astype(np.float64)
        finite = np.isfinite(expected) if expected.dtype.kind == "f" else np.ones(expected.shape, bool)
        g, c = expected[finite].astype(np.float64), got[finite].astype(np.float64)
        if g.size:
            difference = np.abs(c - g)
            scale = np.sqrt(np.mean(g * g)) or 1.0
            self._max_abs = max(self._max_abs, float(difference.max()))
            self._max_relative = max(self._max_relative, float((difference / np.maximum(np.abs(g), scale)).max()))
            self._dot += float(g @ c)
            self._golden2 += float(g @ g)
            self._candidate2 += float(c @ c)
        if expected.dtype.kind == "f" and expected.ndim == 2 and expected.shape[1] > 1:
            self._rows += len(expected)
            self._agreeing += int((expected.argmax(1) == got.argmax(1)).sum())

    def figures(self) -> dict[str, float | None]:
        """max_relative is |c - g| over max(|g|, RMS of g in that call), so that it is finite where g is zero."""
        norms = np.sqrt(self._golden2 * self._candidate2)
        both_zero = self._golden2 == self._candidate2 == 0
        cosine = 1.0 if both_zero else (min(1.0, self._dot / norms) if norms else 0.0)
        return {
            "max_abs": self._max_abs,
            "max_relative": self._max_relative,
            "cosine": float(cosine),
            "top1": self._agreeing / self._rows if self._rows else None,
        }


def judge(figures: Mapping[str, Mapping[str, Any]], problems: list[str], tolerance: Tolerance) -> str:
    """Why this drift is too much, or nothing."""
    if problems:
        return "; ".join(problems[:3])
    for name, values in figures.items():
        if tolerance.max_relative is not None and values["max_relative"] > tolerance.max_relative:
            return f"{name}: relative error {values['max_relative']:.2g} is over {tolerance.max_relative:.2g}"
        if tolerance.cosine is not None and values["cosine"] < tolerance.cosine:
            return f"{name}: cosine {values['cosine']:.5g} is under {tolerance.cosine:.5g}"
        if tolerance.top1 is not None and values["top1"] is not None and values["top1"] < tolerance.top1:
            return f"{name}: the same top-1 in {values['top1']:.2%} of the rows, under {tolerance.top1:.2%}"
    return ""
