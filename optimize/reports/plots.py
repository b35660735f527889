"""What the plots of report.html are drawn from: one row per candidate, the source among them."""

from __future__ import annotations

from typing import Any

from optimize.reports.figures import Accuracy, ColdStart, Latency, LatencySamples, Memory, OutputDrift
from optimize.reports.model import CandidateReport, Report
from optimize.reports.searching import search_data

PHASES = ("interpreter", "import", "read", "open", "first_run")
SOURCE = "source"


def plot_data(report: Report) -> dict[str, Any]:
    """Plain values only, so that it can stand in the page as JSON."""
    return {
        "rows": plot_rows(report),
        "gates": {name: bound for name, bound in report.pipeline.get("gates", {}).items() if bound is not None},
        "target": report.target.name,
        "search": search_data(report),
        "probes": [
            {"label": c.name, "format": c.format, "target": c.throughput.p99_target_ms, **probe.model_dump()}
            for c in report.candidates
            if c.throughput
            for probe in c.throughput.probes
            if probe.p99_ms is not None
        ],
    }


def plot_rows(report: Report, run: str = "") -> list[dict[str, Any]]:
    """`run` is put in front of the names where several runs share a plot."""
    rows = [_source(report)] if report.source.latency or report.source.cold_start else []
    rows += [_candidate(c, report) for c in report.candidates if c.state == "ok" or c.latency or c.drift]
    for row in rows:
        row["run"] = run
        row["label"] = f"{run}: {row['name']}" if run else row["name"]
    return rows


def _source(report: Report) -> dict[str, Any]:
    source = report.source
    row = {"name": SOURCE, "format": SOURCE, "quantization": "none", "wins": False, "size_mb": _mb(source.size_bytes)}
    timing = _timing(source.latency, source.timed, source.cold_start, source.memory)
    return row | timing | {"accuracy": source.score, "accuracy_ci": None, "drift": {}, "worst_drift": None}


def _candidate(c: CandidateReport, report: Report) -> dict[str, Any]:
    row = {
        "name": c.name,
        "format": c.format,
        "quantization": c.quantization,
        "wins": c.name == report.winner,
        "size_mb": _mb(c.size_bytes),
        "accuracy": c.accuracy.score if c.accuracy else None,
        "accuracy_ci": _score_interval(c.accuracy, _metric(report)) if c.accuracy else None,
        "drift": {name: _output(drift) for name, drift in c.drift.items()},
        "worst_drift": max((d.max_relative for d in c.drift.values()), default=None),
    }
    return row | _timing(c.latency, c.samples, c.cold_start, c.memory)


def _timing(
    latency: Latency | None, samples: LatencySamples | None, cold_start: ColdStart | None, memory: Memory | None
) -> dict[str, Any]:
    return {
        "p50_ms": latency.p50_ms if latency else None,
        "p50_ms_ci": latency.p50_ms_ci if latency else None,
        "cold_start_s": cold_start.total_s if cold_start else None,
        "cold_cache_s": cold_start.cold_cache_total_s if cold_start else None,
        "phases": {phase: getattr(cold_start, f"{phase}_s") for phase in PHASES} if cold_start else None,
        "peak_mb": _mb(memory.peak_bytes) if memory else None,
        "loaded_mb": _mb(memory.loaded_bytes) if memory else None,
        "samples": samples.model_dump() if samples else None,
    }


def _score_interval(accuracy: Accuracy, metric: str) -> tuple[float, float]:
    """The interval is of the difference to the source, on the same rows; shown around the source's score, and not
    beyond what the metric can reach."""
    low, high = accuracy.difference_ci
    most = 1.0 if metric == "accuracy" else float("inf")
    return accuracy.source_score + low, min(accuracy.source_score + high, most)


def _metric(report: Report) -> str:
    evaluation = (report.pipeline.get("data") or {}).get("evaluation") or {}
    return str(evaluation.get("metric", "accuracy"))


def _output(drift: OutputDrift) -> dict[str, float | None]:
    return {"max_abs": drift.max_abs, "max_relative": drift.max_relative, "cosine": drift.cosine, "top1": drift.top1}


def _mb(count: int | None) -> float | None:
    return None if count is None else count / 1e6
