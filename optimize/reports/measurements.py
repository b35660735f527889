"""`measurements.csv`: one figure a line, its unit and interval beside it, for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from optimize.reports.model import ColdStart, Interval, Latency, Memory, Report
from optimize.reports.plots import PHASES, SOURCE

COLUMNS = ("candidate", "state", "figure", "unit", "value", "low", "high")
Line = tuple[str, str, float | int | None, Interval | None]
"""Figure, unit, value, and the 95 % interval where there is one."""


def to_csv(report: Report) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    source = report.source
    for line in (
        *_timing(source.latency, source.cold_start, source.memory),
        ("size", "bytes", source.size_bytes, None),
    ):
        _write(writer, SOURCE, "ok", line)
    for candidate in report.candidates:
        for line in _timing(candidate.latency, candidate.cold_start, candidate.memory):
            _write(writer, candidate.name, candidate.state, line)
        _write(writer, candidate.name, candidate.state, ("size", "bytes", candidate.size_bytes, None))
        if candidate.accuracy:
            accuracy = candidate.accuracy
            _write(writer, candidate.name, candidate.state, ("accuracy", "share", accuracy.score, None))
            change: Line = ("accuracy_difference", "share", accuracy.difference, accuracy.difference_ci)
            _write(writer, candidate.name, candidate.state, change)
        for output, drift in candidate.drift.items():
            line = (f"drift {output}", "relative", drift.max_relative, None)
            _write(writer, candidate.name, candidate.state, line)
    return text.getvalue()


def _timing(latency: Latency | None, cold_start: ColdStart | None, memory: Memory | None) -> Iterator[Line]:
    if latency:
        yield "latency_p50", "ms", latency.p50_ms, latency.p50_ms_ci
        yield "latency_p90", "ms", latency.p90_ms, None
        yield "latency_p99", "ms", latency.p99_ms, None
        if latency.ratio:
            yield "latency_ratio_to_source", "ratio", latency.ratio.value, latency.ratio.ci
    if cold_start:
        yield "cold_start", "s", cold_start.total_s, cold_start.total_s_ci
        yield "cold_start_cold_cache", "s", cold_start.cold_cache_total_s, cold_start.cold_cache_total_s_ci
        for phase in PHASES:
            yield f"cold_start_{phase}", "s", getattr(cold_start, f"{phase}_s"), None
    if memory:
        yield "memory_loaded", "bytes", memory.loaded_bytes, None
        yield "memory_peak", "bytes", memory.peak_bytes, None


def _write(writer: object, name: str, state: str, line: Line) -> None:
    figure, unit, value, interval = line
    if value is not None:
        low, high = interval or ("", "")
        writer.writerow((_harmless(name), state, _harmless(figure), unit, value, low, high))  # type: ignore[attr-defined]


def _harmless(text: str) -> str:
    """A spreadsheet would carry out a cell that begins like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
