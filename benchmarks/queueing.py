"""Load on a fleet of workers: callers that wait for their answer, or arrivals that do not.

A closed loop cannot see queueing: a caller that waits sends less while the server is slow (coordinated omission). An
open loop draws arrivals beforehand (Poisson), and counts latency from the scheduled time. Nothing here knows processes
or a clock; both are the fleet's.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from optimize.benchmarks.statistics import NEEDED, percentile

CLOSE_ENOUGH = 1.1
"""The bisection ends when the least rate that did not hold is this near to the highest that did."""
MOST_PROBES = 16


class Fleet(Protocol):
    """Workers that carry out one request at a time each."""

    workers: int

    def now(self) -> float: ...

    def submit(self, worker: int) -> None: ...

    def wait(self, until: float) -> Sequence[int]:
        """The workers that have answered: as soon as there is one, or none at `until`."""


@dataclass(frozen=True)
class Load:
    """What a load came to: requests answered in a second, and the latency of each."""

    per_s: float
    latencies_s: tuple[float, ...]

    def quantile_ms(self, share: float) -> float | None:
        """Null with fewer samples than it needs."""
        found = percentile(np.array(self.latencies_s), share)
        return None if found is None else found * 1000


def closed_loop(fleet: Fleet, callers: int, seconds: float) -> Load:
    """`callers` that each send the next request when they have the answer to the last; first come, first served. It
    lasts until the first answer, however long that takes."""
    begun = fleet.now()
    waiting = deque([begun] * callers)
    idle, busy = list(range(fleet.workers)), dict[int, float]()
    latencies: list[float] = []
    while fleet.now() < begun + seconds or not latencies:
        while idle and waiting:
            worker = idle.pop()
            busy[worker] = waiting.popleft()
            fleet.submit(worker)
        for worker in fleet.wait(begun + seconds if fleet.now() < begun + seconds else float("inf")):
            latencies.append(fleet.now() - busy.pop(worker))
            idle.append(worker)
            waiting.append(fleet.now())
    took = fleet.now() - begun
    _drain(fleet, busy)
    return Load(len(latencies) / took, tuple(latencies))


def open_loop(fleet: Fleet, rate: float, count: int, rng: random.Random) -> Load:
    """`count` arrivals at `rate` a second, exponential gaps between them, whether or not anybody is free."""
    begun = at = fleet.now()
    arrivals = deque(at := at + rng.expovariate(rate) for _ in range(count))
    waiting, idle, busy = deque[float](), list(range(fleet.workers)), dict[int, float]()
    latencies: list[float] = []
    while len(latencies) < count:
        while arrivals and arrivals[0] <= fleet.now():
            waiting.append(arrivals.popleft())
        while idle and waiting:
            worker = idle.pop()
            busy[worker] = waiting.popleft()
            fleet.submit(worker)
        for worker in fleet.wait(arrivals[0] if arrivals else float("inf")):
            latencies.append(fleet.now() - busy.pop(worker))
            idle.append(worker)
    return Load(count / (fleet.now() - begun), tuple(latencies))


def _drain(fleet: Fleet, busy: dict[int, float]) -> None:
    while busy:
        for worker in fleet.wait(float("inf")):
            del busy[worker]


@dataclass(frozen=True)
class Probe:
    """One rate that was tried."""

    rate: float
    p99_ms: float | None
    n: int
    held: bool


@dataclass(frozen=True)
class Sought:
    """The highest rate that held (None where none did), what was tried, and why the search ended early, if it did."""

    rate: float | None
    probes: tuple[Probe, ...]
    cut_short: str = ""


def highest_rate(probe: Callable[[float], Probe], start: float, time_left: Callable[[], float]) -> Sought:
    """By doubling from `start` (or halving, where that does not hold) and bisection. `time_left` is in seconds."""
    holds, fails = 0.0, float("inf")
    probes: list[Probe] = []
    rate = start
    while len(probes) < MOST_PROBES and fails > CLOSE_ENOUGH * holds:
        # A probe of `rate` takes at least as long as its arrivals do.
        if probes and NEEDED[0.99] / rate > time_left():
            return Sought(holds or None, tuple(probes), "the budget was spent")
        tried = probe(rate)
        probes.append(tried)
        holds, fails = (rate, fails) if tried.held else (holds, rate)
        rate = 2 * holds if fails == float("inf") else fails / 2 if not holds else (holds + fails) / 2
    return Sought(holds or None, tuple(probes))
