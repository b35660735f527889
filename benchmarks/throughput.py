"""Throughput of one candidate: closed loop over callers and over batch sizes, then the highest rate of an open loop."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optimize.benchmarks.queueing import Fleet, Load, Probe, Sought, closed_loop, highest_rate, open_loop
from optimize.benchmarks.statistics import NEEDED, summary

SEARCH_PROBES = 5
"""Times the first probe that a whole search takes, about: rates above it are probed faster."""
LEAST_P99_MS = 5.0
"""Below it, what a queue does to a short call is lost in what a machine does to any process."""


class BatchFleet(Fleet, Protocol):
    def batch(self, rows: int) -> None: ...


@dataclass(frozen=True)
class ThroughputDesign:
    """`p99_ms` is what the open loop's p99 must keep to; None is ten times what a call takes, at least 5 ms."""

    callers: tuple[int, ...]
    batches: tuple[int, ...]
    p99_ms: float | None
    budget_s: float
    seconds: float
    seed: int
    threads: int = 1
    """Of each worker."""


def measure_throughput(
    fleet: BatchFleet, design: ThroughputDesign, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """`rate_per_s` is the highest rate of one-row requests whose p99, from the scheduled time, is within `p99_ms`."""
    deadline = clock() + design.budget_s

    def closed_at(callers: int, rows: int) -> dict[str, Any]:
        return _closed(fleet, callers, rows, design.seconds, lambda: deadline - clock())

    closed = [closed_at(callers, 1) for callers in design.callers]
    capacity = max(point["per_s"] for point in closed)
    call_ms = 1000 * closed[0]["callers"] / closed[0]["per_s"]
    p99_ms = design.p99_ms if design.p99_ms is not None else max(LEAST_P99_MS, 10 * call_ms)
    sought = _seek(fleet, capacity, p99_ms, design.seed, lambda: deadline - clock())
    for rows in design.batches:
        if rows > 1:
            fleet.batch(rows)
            closed.append(closed_at(fleet.workers, rows))
    found = _found(sought)
    return {
        "workers": fleet.workers,
        "per_core_per_s": _per_core(found["rate_per_s"], fleet.workers * design.threads),
        "closed": closed,
        "best_rows_per_s": max(point["rows_per_s"] for point in closed),
        "p99_target_ms": float(f"{p99_ms:.6g}"),
        **found,
    }


def _per_core(rate: float | None, cores: int) -> float | None:
    return None if rate is None else float(f"{rate / cores:.6g}")


def _closed(fleet: Fleet, callers: int, rows: int, seconds: float, time_left: Callable[[], float]) -> dict[str, Any]:
    load = closed_loop(fleet, callers, seconds)
    # Of a slow model: as long as its median takes, where there is time for it.
    while len(load.latencies_s) < NEEDED[0.5] and 2 * seconds < time_left():
        seconds *= 2
        load = closed_loop(fleet, callers, seconds)
    return _figures(load) | {"callers": callers, "rows": rows, "rows_per_s": float(f"{load.per_s * rows:.6g}")}


def _figures(load: Load) -> dict[str, Any]:
    return summary(
        {
            "per_s": load.per_s, "p50_ms": load.quantile_ms(0.5), "p99_ms": load.quantile_ms(0.99),
            "n": len(load.latencies_s),
        }
    )  # fmt: skip


def _seek(fleet: Fleet, capacity: float, p99_ms: float, seed: int, time_left: Callable[[], float]) -> Sought:
    rng = random.Random(seed)

    def probe(rate: float) -> Probe:
        load = open_loop(fleet, rate, NEEDED[0.99], rng)
        found = load.quantile_ms(0.99)
        return Probe(rate, found, len(load.latencies_s), found is not None and found <= p99_ms)

    start = capacity / 2
    probe_s = NEEDED[0.99] / start
    if probe_s > time_left():
        enough = math.ceil(SEARCH_PROBES * probe_s)
        words = (
            f"a p99 needs {NEEDED[0.99]} requests, which take about {probe_s:.0f} s; type "
            f"-o benchmark.throughput.budget_s={enough}"
        )
        return Sought(None, (), words)
    return highest_rate(probe, start, time_left)


def _found(sought: Sought) -> dict[str, Any]:
    probes: Sequence[Mapping[str, Any]] = [
        summary({"rate_per_s": p.rate, "p99_ms": p.p99_ms, "n": p.n}) | {"held": p.held} for p in sought.probes
    ]
    rate = None if sought.rate is None else float(f"{sought.rate:.6g}")
    return {"rate_per_s": rate, "probes": probes, "cut_short": sought.cut_short}
