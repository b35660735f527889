"""Load on scripted workers with a fake clock: closed loops, open loops, and the search for the highest rate."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.benchmarks.queueing import Probe, closed_loop, highest_rate, open_loop
from optimize.benchmarks.statistics import NEEDED
from optimize.benchmarks.throughput import LEAST_P99_MS, ThroughputDesign, measure_throughput


class ScriptedFleet:
    """Workers whose service times come from a script; time passes only while somebody waits."""

    def __init__(self, workers: int, service_s: Callable[[int], float], overhead: float = 0.0) -> None:
        self.workers, self.service_s, self.overhead = workers, service_s, overhead
        self.now_s, self.served, self.rows = 0.0, 0, 1
        self.busy: dict[int, float] = {}

    def now(self) -> float:
        return self.now_s

    def submit(self, worker: int) -> None:
        assert worker not in self.busy, "one request at a time"
        self.served += 1
        self.busy[worker] = self.now_s + self.service_s(self.served) * (self.overhead + self.rows)

    def wait(self, until: float) -> Sequence[int]:
        worker = min(self.busy, key=self.busy.__getitem__, default=None)
        if worker is None or self.busy[worker] > until:
            assert until < float("inf"), "nothing would ever happen"
            self.now_s = until
            return []
        self.now_s = self.busy.pop(worker)
        return [worker]

    def batch(self, rows: int) -> None:
        self.rows = rows


@pytest.mark.parametrize(("callers", "workers"), [(1, 1), (2, 1), (4, 2), (1, 2)])
def test_a_closed_loop_serves_as_much_as_its_workers_can_and_its_callers_wait_their_turn(
    callers: int, workers: int
) -> None:
    load = closed_loop(ScriptedFleet(workers, lambda i: 0.01), callers, 10)
    assert load.per_s == pytest.approx(min(callers, workers) / 0.01, rel=0.01)
    assert np.median(load.latencies_s) == pytest.approx(0.01 * max(1, callers / workers))


def test_every_arrival_during_a_stall_waits_in_an_open_loop_and_one_caller_in_a_closed_loop() -> None:
    def stalls(i: int) -> float:
        return 1.0 if i == 100 else 0.001

    closed = closed_loop(ScriptedFleet(1, stalls), 1, 5)
    opened = open_loop(ScriptedFleet(1, stalls), 100, 1000, random.Random(0))
    assert sum(latency > 0.1 for latency in closed.latencies_s) == 1
    assert sum(latency > 0.1 for latency in opened.latencies_s) > 50, "coordinated omission would show one"


def test_the_mean_wait_is_that_of_queueing_theory() -> None:
    """M/M/1: the mean time in the system is 1 / (service rate - arrival rate)."""
    rng = random.Random(1)
    load = open_loop(ScriptedFleet(1, lambda i: rng.expovariate(100)), 50, 40_000, random.Random(2))
    assert np.mean(load.latencies_s) == pytest.approx(1 / (100 - 50), rel=0.1)


def test_every_request_is_answered_however_many_there_are() -> None:
    fleet = ScriptedFleet(3, lambda i: 0.01)
    load = open_loop(fleet, 1000, 500, random.Random(0))
    assert len(load.latencies_s) == fleet.served == 500
    assert np.mean(load.latencies_s[-50:]) > 10 * np.mean(load.latencies_s[:50]), "over its capacity the wait grows"


@given(limit=st.floats(1, 1e4), start=st.floats(0.5, 2e4))
def test_the_highest_rate_is_found_within_a_tenth_by_doubling_and_bisection(limit: float, start: float) -> None:
    def probe(rate: float) -> Probe:
        return Probe(rate, 1.0, 662, rate <= limit)

    found = highest_rate(probe, start, lambda: 1e9)
    assert found.rate is None or found.rate <= limit
    if len(found.probes) < 16:
        assert found.rate is not None and found.rate >= limit / 1.1


def test_a_search_that_runs_out_of_time_says_so_and_keeps_what_it_found() -> None:
    left = iter([100.0, 10.0, 0.0, 0.0])
    found = highest_rate(lambda rate: Probe(rate, 1.0, 662, True), 10.0, lambda: next(left))
    assert found.rate is not None and found.cut_short == "the budget was spent"


def design(**changes: object) -> ThroughputDesign:
    return ThroughputDesign(
        **{"callers": (1, 2), "batches": (), "p99_ms": 20.0, "budget_s": 1e6, "seconds": 5.0, "seed": 0} | changes
    )  # type: ignore[arg-type]


def test_the_rate_that_is_found_keeps_its_p99_and_a_tenth_more_does_not() -> None:
    figures = measure_throughput(ScriptedFleet(1, lambda i: 0.002), design(), lambda: 0.0)
    assert 200 < figures["rate_per_s"] < 500, "below what it can serve at all, which is 500"
    assert all(probe["held"] == (probe["p99_ms"] <= 20) for probe in figures["probes"])
    assert all(probe["n"] >= NEEDED[0.99] for probe in figures["probes"])
    assert figures["per_core_per_s"] == figures["rate_per_s"]


def test_batches_are_swept_and_rows_are_counted() -> None:
    """Of a service that costs as much as four rows beside its rows."""
    fleet = ScriptedFleet(1, lambda i: 0.001, overhead=4)
    figures = measure_throughput(fleet, design(batches=(4, 16)), lambda: 0.0)
    rows = {point["rows"]: point["rows_per_s"] for point in figures["closed"] if point["callers"] == 1}
    assert rows[1] == pytest.approx(200, rel=0.02) and rows[16] == pytest.approx(800, rel=0.02)
    assert figures["best_rows_per_s"] == rows[16]


def test_without_a_bound_the_p99_is_held_to_ten_times_what_a_call_takes() -> None:
    slow = measure_throughput(ScriptedFleet(1, lambda i: 0.002), design(p99_ms=None), lambda: 0.0)
    short = measure_throughput(ScriptedFleet(1, lambda i: 0.0001), design(p99_ms=None), lambda: 0.0)
    assert slow["p99_target_ms"] == pytest.approx(20) and short["p99_target_ms"] == LEAST_P99_MS


def test_a_call_that_takes_longer_than_the_whole_loop_is_still_counted() -> None:
    load = closed_loop(ScriptedFleet(1, lambda i: 7.0), 1, 0.5)
    assert load.latencies_s == (7.0,) and load.per_s == pytest.approx(1 / 7)


def test_a_budget_too_small_for_a_p99_gives_no_rate_and_says_what_it_would_take() -> None:
    figures = measure_throughput(ScriptedFleet(1, lambda i: 0.1), design(budget_s=5.0), lambda: 0.0)
    assert figures["rate_per_s"] is None and "662 requests" in figures["cut_short"]
