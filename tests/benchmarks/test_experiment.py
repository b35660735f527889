"""The logic of the experiment, with scripted workers and a fake clock: no process, no time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimize.benchmarks.design import Design
from optimize.benchmarks.experiment import collect, collect_cold
from optimize.benchmarks.figures import report
from optimize.benchmarks.slices import slice_calls
from optimize.benchmarks.stopping import BLOCK, MIN_ROUNDS
from optimize.benchmarks.subjects import SubjectFailed
from optimize.errors import UserError

MS = 1_000_000
START_S = 0.25


class World:
    """A fake clock, and the slow change of a machine that all workers feel."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.speed: Callable[[float], float] = lambda now: 1.0
        self.log: list[tuple[str, int]] = []
        self.alive: set[str] = set()

    def clock(self) -> float:
        return self.now_s


class Scripted:
    """A worker whose calls take what the script says."""

    def __init__(
        self, world: World, name: str, generation: int, call_ms: Callable[[int], float], dies: int = 1 << 30
    ) -> None:
        self.world, self.name, self.generation = world, name, generation
        self.call_ms, self.dies = call_ms, dies
        self.calls = 0
        self.opened: Mapping[str, Any] = {
            "phases_ns": [MS] * 5, "phases_bytes": [100, 200, 300, 1000], "threads": 1, "peak_bytes": 1000,
            "switches": 3,
        }  # fmt: skip

    def ask(self, command: str) -> dict[str, Any]:
        if command == "warmup":
            first = [10 * MS, 8 * MS, *(int(self.call_ms(0) * MS) for _ in range(2))]
            return {"first_ns": first, "medians_ns": [int(self.call_ms(0) * MS)], "settled": True}
        if command == "close":
            return {"peak_bytes": 2000, "same_answers": True, "switches": 5}
        count = int(command.split()[1])
        self.world.log.append((self.name, self.generation))
        taken = []
        for _ in range(count):
            self.calls += 1
            if self.calls > self.dies:
                raise SubjectFailed("killed by signal 9")
            call_s = self.call_ms(self.calls) * self.world.speed(self.world.now_s) / 1000
            self.world.now_s += call_s
            taken.append(int(call_s * 1e9))
        return {"ns": taken, "cpu_ns": sum(taken), "at_ns": int(self.world.now_s * 1e9)}

    def quit(self) -> None:
        return None


def run(scripts: Mapping[str, Callable[[int], float]], *, budget_s: float = 10.0, dies: Mapping[str, int] | None = None,
        world: World | None = None, seed: int = 0, least_calls: int = 0, total_s: float = 0) -> tuple[dict[str, Any], World, list[Any]]:  # fmt: skip
    world = world or World()
    flushed: list[Any] = []
    design = Design(tuple(scripts), next(iter(scripts)), processes=5, budget_s=budget_s, half_width=0.015, seed=seed,
                    least_calls=least_calls, total_s=total_s)  # fmt: skip

    def start(name: str, generation: int) -> Scripted:
        world.now_s += START_S
        return Scripted(world, name, generation, scripts[name], (dies or {}).get(name, 1 << 30))

    samples = collect(design, start, flushed.append, world.clock, counters=lambda: None)
    return report(design, samples)["candidates"], world, flushed


def steady(call_ms: float, seed: int = 0, noise: float = 0.01) -> Callable[[int], float]:
    rng = np.random.default_rng(seed)
    return lambda _: float(call_ms * np.exp(rng.normal(0, noise)))


def test_a_candidate_twice_as_fast_is_called_that() -> None:
    figures, _, _ = run({"source": steady(4, 1), "fast": steady(2, 2)})
    ratio = figures["fast"]["latency"]["ratio"]
    assert ratio["value"] == pytest.approx(0.5, rel=0.02)
    assert ratio["ci"][0] <= ratio["value"] <= ratio["ci"][1]
    assert ratio["verdict"] == "conclusive"


def test_a_machine_that_slows_down_falls_on_all_alike() -> None:
    world = World()
    world.speed = lambda now: 1 + now / 3
    figures, _, _ = run({"source": steady(4, 1), "same": steady(4, 2)}, world=world)
    assert figures["same"]["latency"]["ratio"]["value"] == pytest.approx(1, rel=0.02)


def test_a_machine_that_steps_down_falls_on_all_alike() -> None:
    world = World()
    world.speed = lambda now: 1.0 if now < 4 else 1.6
    figures, _, _ = run({"source": steady(4, 1), "same": steady(4, 2)}, world=world)
    assert figures["same"]["latency"]["ratio"]["value"] == pytest.approx(1, rel=0.02)


def test_a_slow_first_call_is_no_part_of_the_latency() -> None:
    calm = steady(4, 2)
    figures, _, _ = run({"source": steady(4, 1), "slow": lambda i: 400 if i == 1 else calm(i)})
    assert figures["slow"]["latency"]["ratio"]["value"] == pytest.approx(1, rel=0.02)
    assert figures["slow"]["latency"]["p50_ms"] == pytest.approx(4, rel=0.02)


def test_outliers_do_not_move_the_ratio() -> None:
    def spiky(seed: int) -> Callable[[int], float]:
        calm, rng = steady(4, seed), np.random.default_rng(seed)
        return lambda i: calm(i) * (50 if rng.random() < 0.03 else 1)

    figures, _, _ = run({"source": steady(4, 1), "spiky": spiky(2)})
    assert figures["spiky"]["latency"]["ratio"]["value"] == pytest.approx(1, rel=0.02)


def test_two_modes_widen_the_interval_until_it_is_inconclusive() -> None:
    rng = np.random.default_rng(3)
    figures, _, _ = run(
        {"source": steady(4, 1), "two": lambda _: 4 * (1.3 if rng.random() < 0.5 else 1.0)}, budget_s=0.5
    )
    assert figures["two"]["latency"]["ratio"]["verdict"] == "inconclusive"


def test_it_stops_early_once_the_intervals_are_narrow_and_not_before_three_generations() -> None:
    _, quiet, _ = run({"source": steady(4, 1, 0.001), "same": steady(4, 2, 0.001)}, budget_s=1000)
    per_generation = [sum(1 for name, g in quiet.log if name == "source" and g == i) for i in range(5)]
    assert min(per_generation[:2]) > per_generation[4] == BLOCK


def of_processes(call_ms: float, seed: int) -> Callable[[int], float]:
    """Calls that are all alike within a process, and 4 % apart from one process to the next."""
    calm, processes = steady(call_ms, seed, 0.001), count()
    own = [1.0]

    def call(number: int) -> float:
        if number == 0:  # A warm-up, of which the script is asked three times: a fresh process.
            own[0] = 1.02 if next(processes) // 3 % 2 else 0.98
        return calm(number) * own[0]

    return call


def test_where_processes_differ_generations_are_added_until_the_intervals_are_narrow() -> None:
    scripts = {"source": steady(4, 1, 0.001), "varies": of_processes(4, 2)}
    five, _, _ = run(scripts)
    assert five["varies"]["latency"]["generations"] == 5
    assert five["varies"]["latency"]["ratio"]["verdict"] == "inconclusive"
    more, world, _ = run({**scripts, "varies": of_processes(4, 2)}, total_s=60)
    latency = more["varies"]["latency"]
    assert latency["generations"] > 5 and latency["ratio"]["half_width"] <= 0.017, "the last look is coarser"
    assert more["varies"]["cold_start"]["n"] == latency["generations"], "each start is a sample"
    rounds = [sum(1 for name, g in world.log if name == "source" and g == i) for i in range(latency["generations"])]
    assert max(rounds) == BLOCK, "a generation whose median is known needs no more"


@pytest.mark.parametrize(("total_s", "budget_s"), [(3.2, 10.0), (60.0, 0.39)])
def test_no_generation_is_added_that_the_time_or_the_budget_has_no_room_for(total_s: float, budget_s: float) -> None:
    scripts = {"source": steady(4, 1, 0.001), "varies": of_processes(4, 2)}
    figures, world, _ = run(scripts, total_s=total_s, budget_s=budget_s)
    assert figures["varies"]["latency"]["generations"] == 5 and world.now_s < 3.5
    assert figures["varies"]["latency"]["ratio"]["verdict"] == "inconclusive"


def test_rounds_visit_every_candidate_once_in_an_order_drawn_from_the_seed() -> None:
    scripts = {"source": steady(4), "a": steady(4), "b": steady(4)}
    _, world, _ = run(scripts, budget_s=0.5)
    rounds = [world.log[i : i + 3] for i in range(0, len(world.log), 3)]
    assert all(sorted(name for name, _ in one) == ["a", "b", "source"] for one in rounds)
    assert len({tuple(name for name, _ in one) for one in rounds}) > 3, "the order changes from round to round"
    _, again, _ = run(scripts, budget_s=0.5)
    assert again.log == world.log
    _, other, _ = run(scripts, budget_s=0.5, seed=1)
    assert other.log != world.log


def test_a_worker_that_dies_is_left_out_and_the_others_go_on() -> None:
    figures, _, _ = run({"source": steady(4, 1), "dies": steady(4, 2), "lives": steady(4, 3)}, dies={"dies": 25})
    assert figures["dies"] == {"failure": "killed by signal 9"}
    assert figures["lives"]["latency"]["generations"] == 5


def test_samples_are_flushed_after_every_generation() -> None:
    _, _, flushed = run({"source": steady(4, 1), "a": steady(4, 2)}, budget_s=0.5)
    assert [(line["candidate"], line["generation"]) for line in flushed] == [
        (n, g) for g in range(5) for n in ("source", "a")
    ]


def test_percentiles_without_enough_samples_are_null() -> None:
    figures, _, _ = run({"source": steady(400, 1), "a": steady(400, 2)}, budget_s=0.1)
    latency = figures["a"]["latency"]
    assert latency["n"] == 5 * BLOCK and latency["p50_ms"] is not None and latency["p99_ms"] is None


@pytest.mark.parametrize(("call_ns", "calls"), [(30_000, 100), (390_000, 8), (400_000, 1), (50_000_000, 1)])
def test_a_slice_is_one_call_or_three_milliseconds_of_short_ones(call_ns: int, calls: int) -> None:
    assert slice_calls(call_ns) == calls


def test_cold_starts_are_taken_only_where_eviction_was_verified() -> None:
    world = World()
    scripts = {"source": steady(4), "evicted": steady(4), "stubborn": steady(4)}
    design = Design(tuple(scripts), "source", processes=5, budget_s=0.1, half_width=0.015, seed=0, cold=True)

    def start(name: str, generation: int) -> Scripted:
        return Scripted(world, name, generation, scripts[name])

    samples = collect(design, start, lambda line: None, world.clock)
    collect_cold(design, samples, start, lambda name: name == "evicted")
    figures = report(design, samples)["candidates"]
    assert figures["evicted"]["cold_start"]["cold_cache_total_s"] == pytest.approx(0.005)
    assert figures["stubborn"]["cold_start"]["cold_cache_total_s"] is None


@settings(max_examples=25, deadline=None)
@given(noise=st.floats(0.0005, 0.03), seed=st.integers(0, 1000), budget_s=st.floats(0.5, 20))
def test_it_stops_before_the_budget_only_where_every_interval_is_narrow_and_the_rounds_are_enough(
    noise: float, seed: int, budget_s: float
) -> None:
    figures, world, _ = run({"source": steady(4, seed, noise), "same": steady(4, seed + 1, noise)}, budget_s=budget_s)
    latency = figures["same"]["latency"]
    assert latency["generations"] == 5 and latency["rounds"] >= 5 * BLOCK
    if world.now_s < 0.9 * budget_s:
        assert latency["rounds"] >= MIN_ROUNDS and latency["ratio"]["half_width"] <= 0.017, "the last look is coarser"


def test_a_percentile_that_a_gate_needs_is_given_its_calls_however_narrow_the_intervals_are() -> None:
    scripts = {"source": steady(4, 1, 0.0005), "same": steady(4, 2, 0.0005)}
    figures, _, _ = run(scripts, budget_s=12, least_calls=662)
    assert figures["same"]["latency"]["p99_ms"] is not None
    early, _, _ = run(scripts, budget_s=12)
    assert early["same"]["latency"]["p99_ms"] is None, "which would not have had them otherwise"


def test_a_gate_on_a_percentile_that_the_budget_has_no_calls_for_is_refused_with_what_to_type() -> None:
    with pytest.raises(UserError, match=r"662 calls of every candidate.*type -o benchmark\.budget_s=") as caught:
        run({"source": steady(400), "a": steady(400)}, budget_s=1, least_calls=662)
    assert caught.value.key == "gates.p99_ms"
    budget_s = float(caught.value.message.partition("budget_s=")[2].partition(",")[0])
    figures, _, _ = run({"source": steady(400), "a": steady(400)}, budget_s=budget_s, least_calls=662)
    assert figures["a"]["latency"]["p99_ms"] is not None, "what it said to type is enough"


def test_the_first_calls_are_kept_one_by_one_and_it_is_said_when_they_are_steady() -> None:
    figures, _, _ = run({"source": steady(4), "a": steady(4, noise=0)}, budget_s=0.5)
    cold_start = figures["a"]["cold_start"]
    assert cold_start["first_calls_ms"] == [1, 10, 8, 4, 4], "the first one is a phase of the start"
    assert cold_start["steady_after_s"] == pytest.approx(0.018)
