"""What a report says beside the candidates' own figures: the target, the baseline, sizes, and lines in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimize.benchmarks.sizing import Fit
from optimize.execution.baseline import BASELINE, Baseline
from optimize.execution.nearness import Nearness
from optimize.execution.on_target import OnTarget
from optimize.execution.search import Searched
from optimize.pipeline.schema import Benchmark
from optimize.reports.figures import ColdStart
from optimize.reports.model import BaselineReport, CandidateReport, Report, TargetReport
from optimize.reports.searching import search_lines
from optimize.reports.table import digits

DISAGREE = 0.05
MOST_PROCESSES = 100
"""That `benchmark.processes` takes."""
WORDS = {"cpu": "processor time", "minima": "fastest calls"}
PHASES = {
    "interpreter_s": "starting Python", "import_s": "importing {library}", "read_s": "reading the file",
    "open_s": "making a session of it", "first_run_s": "the first call",
}  # fmt: skip


@dataclass(frozen=True)
class Extra:
    near: Nearness
    on_target: Mapping[str, OnTarget]
    baseline: Baseline | None
    sizing: Sequence[Fit]
    searched: Searched | None


def target_report(near: Nearness) -> TargetReport:
    target, emulation = near.target, near.emulation
    return TargetReport(
        name=target.name, vcpus=target.vcpus, memory_bytes=target.memory_bytes, architecture=target.architecture,
        isa=list(target.isa.names), fidelity=near.fidelity, threads=near.threads, applied=list(emulation.applied),
        not_applied=list(emulation.not_applied),
    )  # fmt: skip


def baseline_report(baseline: Baseline | None, measured: Mapping[str, Any]) -> BaselineReport | None:
    if baseline is None:
        return None
    figures = measured.get(BASELINE, {})
    return BaselineReport(
        path=str(baseline.given), format=baseline.format, quantization=baseline.quantization, digest=baseline.digest,
        failure=figures.get("failure", ""), cold_start=figures.get("cold_start"), latency=figures.get("latency"),
        memory=figures.get("memory"),
    )  # fmt: skip


def load_profile(cold_start: Mapping[str, Any] | ColdStart, library: str) -> str:
    """The phase that most of the wait goes into: `83 % of the wait is importing torch`."""
    figures = cold_start.model_dump() if isinstance(cold_start, ColdStart) else cold_start
    phase = max(PHASES, key=lambda name: float(figures[name]))
    share = figures[phase] / sum(figures[name] for name in PHASES)
    return f"{share:.0%} of the wait is {PHASES[phase].format(library=library)}".replace("%", " %")


def measurement_warnings(measured: Mapping[str, Any], benchmark: Benchmark) -> list[str]:
    """Intervals that stayed wide, with the time that narrow ones would take; ratios that disagree with each other."""
    ratios = {name: ratio for name, found in measured.items() if (ratio := found.get("latency", {}).get("ratio"))}
    warnings = []
    wide = {name: ratio["half_width"] for name, ratio in ratios.items() if ratio["verdict"] == "inconclusive"}
    if wide:
        # An interval narrows with the root of the generations.
        generations = max(measured[name]["latency"]["generations"] for name in wide)
        enough = math.ceil(generations * (max(wide.values()) / benchmark.half_width) ** 2)
        narrowed = f"about {enough} (benchmark.processes) would narrow them, or " if enough <= MOST_PROCESSES else ""
        warnings.append(
            f"intervals wider than ±{benchmark.half_width:.1%} after {generations} processes each: {', '.join(wide)} "
            f"(±{max(wide.values()):.1%}); {narrowed or 'it takes '}a quieter machine"
        )
    for name, ratio in ratios.items():
        apart = {word: ratio[word] for word in ("cpu", "minima") if abs(ratio[word] / ratio["value"] - 1) > DISAGREE}
        if apart:
            words = ", ".join(f"{digits(value)}× by {WORDS[word]}" for word, value in apart.items())
            warnings.append(f"{name} takes {digits(ratio['value'])}× the source's time by medians, and {words}")
    return warnings


def lines(report: Report) -> list[str]:
    """Sentences for the terminal and for report.md, of what there is."""
    winner = next((c for c in report.candidates if c.name == report.winner), None)
    found = (
        [f"Cold start: {winner.cold_start.profile}"]
        if winner and winner.cold_start and winner.cold_start.profile
        else []
    )
    if winner:
        found += [*_throughput(winner), *_memory(winner), *_cost(winner)]
    found += [*search_lines(report), *_baseline(report), *_sizing(report), *_target(report)]
    return found


def _throughput(winner: CandidateReport) -> list[str]:
    one = winner.throughput
    if one is None or one.failure:
        return [f"Throughput was not measured: {one.failure}"] if one else []
    if one.rate_per_s is None:
        return [
            f"Throughput: no rate held a p99 of {one.p99_target_ms:.3g} ms; {one.cut_short or 'none that was tried'}"
        ]
    return [
        f"Throughput: {one.rate_per_s:.4g} requests/s with p99 within {one.p99_target_ms:.3g} ms from the scheduled "
        f"time (Poisson arrivals, {one.workers} worker(s)); at most {one.best_rows_per_s:.4g} rows/s in a closed loop"
    ]


def _memory(winner: CandidateReport) -> list[str]:
    one = winner.memory
    if one is None or not one.workers or one.workers_bytes is None or one.workers == 1:
        return []
    return [f"Memory: {one.workers} workers, one for every vCPU, hold {one.workers_bytes / 1e6:.0f} MB"]


def _cost(winner: CandidateReport) -> list[str]:
    one = winner.cost
    return [f"Cost: ${one.usd_per_million:.4g} per million on {one.type} ({one.fidelity})"] if one else []


def _baseline(report: Report) -> list[str]:
    if report.baseline is None:
        return []
    if report.baseline.failure:
        return [f"Baseline: it could not be measured: {report.baseline.failure}"]
    return [
        f"Baseline: {c.name} takes {c.regression.ratio:.3f}× [{c.regression.ci[0]:.3f}, {c.regression.ci[1]:.3f}] its "
        f"time: {c.regression.verdict} at a margin of {c.regression.margin:.1%}"
        for c in report.candidates
        if c.regression and (c.name == report.winner or report.winner is None)
    ]


def _sizing(report: Report) -> list[str]:
    if not report.sizing:
        return []
    first, *others = report.sizing
    price = f", ${first.usd_per_million:.4g} per million" if first.usd_per_million is not None else ""
    also = f"; then {', '.join(one.name for one in others[:3])}" if others else ""
    return [f"Target: {first.name} holds it with {first.workers} workers{price} ({first.fidelity}){also}"]


def _target(report: Report) -> list[str]:
    target = report.target
    if not target.applied and not target.not_applied:
        return []
    return [f"Of {target.name} here: {'; '.join(target.applied)}. Not: {'; '.join(target.not_applied)}"]
