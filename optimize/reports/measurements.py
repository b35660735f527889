"""`measurements.csv`: one figure a line, its unit and interval beside it, for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from optimize.reports.figures import ColdStart, Interval, Latency, Memory
from optimize.reports.model import CandidateReport, Report
from optimize.reports.plots import PHASES, SOURCE

COLUMNS = ("candidate", "state", "figure", "unit", "value", "low", "high")
Line = tuple[str, str, float | int | None, Interval | None]
"""Figure, unit, value, and the 95 % interval where there is one."""
Row = tuple[str, str, str, str, float | int, float | None, float | None]
"""In the order of COLUMNS."""


def to_csv(report: Report) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows(report):
        writer.writerow(_harmless(cell) if isinstance(cell, str) else cell for cell in row)
    return text.getvalue()


def rows(report: Report) -> Iterator[Row]:
    """Every figure that there is, the source's first."""
    source = report.source
    timing = _timing(source.latency, source.cold_start, source.memory)
    yield from _present(SOURCE, "ok", (*timing, ("size", "bytes", source.size_bytes, None)))
    for candidate in report.candidates:
        yield from _present(candidate.name, candidate.state, _lines(candidate))


def _present(name: str, state: str, lines: Iterable[Line]) -> Iterator[Row]:
    for figure, unit, value, interval in lines:
        if value is not None:
            yield name, state, figure, unit, value, *(interval or (None, None))


def _lines(candidate: CandidateReport) -> Iterator[Line]:
    yield from _timing(candidate.latency, candidate.cold_start, candidate.memory)
    yield "size", "bytes", candidate.size_bytes, None
    if candidate.throughput:
        yield "throughput", "requests/s", candidate.throughput.rate_per_s, None
        yield "throughput_closed_loop", "rows/s", candidate.throughput.best_rows_per_s, None
    if candidate.cost:
        yield "cost", "usd per million", candidate.cost.usd_per_million, None
    if candidate.regression:
        yield "latency_ratio_to_baseline", "ratio", candidate.regression.ratio, candidate.regression.ci
    if candidate.accuracy:
        accuracy = candidate.accuracy
        yield "accuracy", "share", accuracy.score, None
        yield "accuracy_difference", "share", accuracy.difference, accuracy.difference_ci
    for output, drift in candidate.drift.items():
        yield f"drift {output}", "relative", drift.max_relative, None


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
        yield "memory_of_all_workers", "bytes", memory.workers_bytes, None


def _harmless(text: str) -> str:
    """A spreadsheet would carry out a cell that begins like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
