"""What a search tried, as it stands in `report.json`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from optimize.reports.figures import Accuracy, OutputDrift, Part, Ratio


class Trial(Part):
    """One thing the search tried: quantized, checked and, where it clears the bar, timed against fp32."""

    number: int
    candidate: str
    """The candidate it was a trial for: `onnx-auto`."""
    format: str
    method: str
    """As a candidate names it: `dynamic`, `static`; `none` where only the runtime's settings were tried."""
    precision: str
    options: dict[str, Any] = Field(default={})
    """Of the quantizer, beyond its defaults."""
    settings: dict[str, Any] = Field(default={})
    """Of the runtime, beyond its defaults."""
    state: str
    reason: str
    cleared: bool
    """Whether it clears the bar: the tolerance of its precision, and the accuracy gate."""
    ratio: Ratio | None
    """Of its latency to that of fp32 in the same format; null where it was not timed, being wrong."""
    drift: dict[str, OutputDrift]
    accuracy: Accuracy | None
    size_bytes: int | None
    seconds: float
    """What its steps took when they were carried out, which may have been in an earlier run."""
    frontier: bool
    """Whether no other trial of its format is both faster and nearer to the golden."""
    best: bool
    """Whether the candidate is this trial."""


class LayerSensitivity(Part):
    """What quantizing one layer alone adds to its own output."""

    layer: str
    kind: str
    """The operator."""
    snr_db: float
    """Signal over quantization noise, in decibels: the lower, the more sensitive."""


class SearchReport(Part):
    """How the candidates with the quantization `auto` were found."""

    budget_s: float
    used_s: float
    """Sum of the trials' seconds and of what ranked the layers."""
    stopped: str
    """Why the search ended."""
    trials: list[Trial]
    sensitivity: dict[str, list[LayerSensitivity]] = Field(default={})
    """By format and method (`onnx-static`), the most sensitive layer first."""
    slower: dict[str, list[str]] = Field(default={})
    """By format: why its int8 is no faster than its fp32 here."""
    notes: list[str] = Field(default=[])
    """What was not tried, and why."""
