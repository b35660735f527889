"""The comparison table as text cells, shared by the terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optimize.reports.model import CandidateReport, Report
from optimize.reports.summary import megabytes, speed


@dataclass(frozen=True)
class Column:
    title: str
    cell: Callable[[CandidateReport], str]
    numeric: bool = True


def _p50(c: CandidateReport) -> str:
    return f"{c.latency.p50_ms:.3g}" if c.latency and c.latency.p50_ms is not None else "–"


def _against_source(c: CandidateReport) -> str:
    return speed(c.latency.ratio.value, c.latency.ratio.ci) if c.latency and c.latency.ratio else "–"


def _cold_start(c: CandidateReport) -> str:
    return f"{c.cold_start.total_s:.2f}" if c.cold_start else "–"


def _drift(c: CandidateReport) -> str:
    return f"{max(d.max_relative for d in c.drift.values()):.1e}" if c.drift else "–"


def _accuracy(c: CandidateReport) -> str:
    return f"{c.accuracy.score:.2%} ({c.accuracy.difference:+.2%})" if c.accuracy else "–"


def _memory(c: CandidateReport) -> str:
    return megabytes(c.memory.peak_bytes) if c.memory else "–"


def _size(c: CandidateReport) -> str:
    return megabytes(c.size_bytes) if c.size_bytes is not None else "–"


COLUMNS = (
    Column("candidate", lambda c: c.name, numeric=False),
    Column("state", lambda c: c.state, numeric=False),
    Column("p50 ms", _p50),
    Column("against the source", _against_source),
    Column("cold start s", _cold_start),
    Column("memory", _memory),
    Column("size", _size),
    Column("accuracy", _accuracy),
    Column("drift", _drift),
    Column("why", lambda c: c.reason, numeric=False),
)


def ranked(report: Report) -> list[CandidateReport]:
    """The winner first, then what was measured by latency, then the rest in the order of the file."""
    order = {c.name: i for i, c in enumerate(report.candidates)}

    def place(c: CandidateReport) -> tuple[bool, float, int]:
        latency = c.latency.p50_ms if c.latency and c.latency.p50_ms is not None else float("inf")
        return (c.name != report.winner, latency, order[c.name])

    return sorted(report.candidates, key=place)


def measured_where(report: Report) -> str:
    """What was measured, and how far it can be taken for the target."""
    target, cpu = report.target, report.machine["cpu"]
    return (
        f"in-process calls at batch 1, warm page cache, {target.threads} thread(s), on {cpu}; "
        f"fidelity to {target.name}: {target.fidelity}"
    )
