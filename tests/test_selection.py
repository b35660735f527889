"""The choice is arithmetic on figures, and every loser has its reason in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optimize.pipeline.schema import Gates
from optimize.selection import ABSOLUTE, Judged, check_gates, choose, demand_verdict
from optimize.store import State


def candidate(name: str, p50_ms: float = 1.0, **changes: Any) -> Judged:
    base = Judged(
        name, State.OK, "", changes.pop("precision", "fp32"), size_bytes=changes.pop("size_bytes", 1_000_000),
        accuracy={"difference": -changes.pop("drop", 0.0)}, cold_start={"total_s": changes.pop("cold", 1.0)},
        latency={"p50_ms": p50_ms, "p99_ms": None, "ratios": changes.pop("ratios", {})}, memory={"peak_bytes": 10**8},
    )  # fmt: skip
    return replace(base, **changes)


def gated(one: Judged, gates: Gates) -> Judged:
    return replace(one, gates=check_gates(one, gates))


def test_the_fastest_wins() -> None:
    choice = choose([candidate("slow", 2), candidate("fast", 1)], "latency")
    assert choice.winner == "fast"
    assert "2 ms against 1 ms of fast" in choice.reasons["slow"]


@pytest.mark.parametrize(("objective", "winner"), [("latency", "a"), ("size", "b"), ("cold_start", "c")])
def test_each_objective_has_its_own_winner(objective: Any, winner: str) -> None:
    candidates = [candidate("a", 1, cold=9), candidate("b", 2, size_bytes=1, cold=9), candidate("c", 3, cold=1)]
    assert choose(candidates, objective).winner == winner


def test_a_candidate_that_misses_a_gate_cannot_win() -> None:
    gates = Gates(accuracy_drop=0.01)
    choice = choose([gated(candidate("right", 2), gates), gated(candidate("wrong", 1, drop=0.02), gates)], "latency")
    assert choice.winner == "right"
    assert choice.reasons["wrong"] == "gate not met: accuracy_drop: 0.02 is over 0.01"


def test_a_gate_without_a_figure_does_not_hold() -> None:
    result = check_gates(candidate("a"), Gates(p99_ms=5))[0]
    assert not result.held and "no figure" in result.detail


def test_every_gate_of_the_file_is_checked() -> None:
    names = list(Gates.model_fields)
    bounds = dict.fromkeys(names, 1e-9)
    assert [gate.name for gate in check_gates(candidate("a", drop=1), Gates(**bounds))] == names
    assert not any(gate.held for gate in check_gates(candidate("a", drop=1), Gates(**bounds)))
    assert set(ABSOLUTE) < set(names)


@pytest.mark.parametrize("state", [state for state in State if state is not State.OK])
def test_no_other_state_than_ok_can_win(state: State) -> None:
    choice = choose([candidate("a", state=state, reason="because")], "latency")
    assert choice.winner is None
    assert choice.reasons["a"] == f"{state}: because"


def test_a_verdict_that_was_asked_for_is_refused_where_the_interval_is_too_wide() -> None:
    wide = candidate("a")
    latency = {**wide.latency, "ratio": {"verdict": "inconclusive", "half_width": 0.04}}  # type: ignore[dict-item]
    wide = replace(wide, latency=latency)
    choice = demand_verdict(choose([wide], "latency"), [wide], 0.015)
    assert choice.winner is None and "±4.0% where ±1.5% was asked for" in choice.undecided
    assert "benchmark.processes" in choice.undecided


def test_no_verdict_is_given_on_a_machine_that_is_not_quiet() -> None:
    one = candidate("a")
    noise = {"verdict": "noisy", "because": ["other processes took 0.50 cores"]}
    choice = demand_verdict(choose([one], "latency"), [one], 0.015, noise)
    assert choice.winner is None and "the machine was noisy (other processes took 0.50 cores)" in choice.undecided


def test_a_verdict_stands_where_the_interval_is_narrow() -> None:
    narrow = candidate("a")
    latency = {**narrow.latency, "ratio": {"verdict": "conclusive", "half_width": 0.01}}  # type: ignore[dict-item]
    narrow = replace(narrow, latency=latency)
    assert demand_verdict(choose([narrow], "latency"), [narrow], 0.015).winner == "a"


def test_a_wide_interval_alone_is_no_tie() -> None:
    wide = {"fast": {"value": 1.23, "ci": (0.9, 1.27)}}
    slow = candidate("slow", 1.23, size_bytes=1, ratios=wide)
    choice = choose([candidate("fast", 1.0, ratios={"slow": {"value": 0.81, "ci": (0.79, 1.11)}}), slow], "latency")
    assert choice.winner == "fast"
    assert "takes 1.23× [0.90, 1.27] the time of fast" in choice.reasons["slow"]


def test_a_tie_goes_to_the_more_precise() -> None:
    tied = {"fp": {"value": 0.99, "ci": (0.97, 1.01)}}
    choice = choose(
        [
            candidate("q", 0.99, precision="int8", ratios=tied),
            candidate("fp", 1.0, ratios={"q": {"value": 1.01, "ci": (0.99, 1.03)}}),
        ],
        "latency",
    )
    assert choice.winner == "fp"
    assert "tied with q" in choice.reasons["fp"]
    assert "tied with fp" in choice.reasons["q"]


def test_throughput_is_to_be_large_and_cost_to_be_small() -> None:
    rates = {"a": 100.0, "b": 300.0, "c": None}
    candidates = [
        candidate(name, throughput={"rate_per_s": rate}, cost=rate and {"usd_per_million": 1000 / rate})
        for name, rate in rates.items()
    ]
    assert choose(candidates, "throughput").winner == "b"
    assert choose(candidates, "cost").winner == "b"
    assert choose(candidates, "cost").reasons["c"] == "was not measured"


@pytest.mark.parametrize(("rate", "held"), [(99.0, False), (100.0, True), (None, False)])
def test_the_gate_on_throughput_is_a_lower_bound(rate: float | None, held: bool) -> None:
    (gate,) = check_gates(candidate("a", throughput={"rate_per_s": rate}), Gates(throughput_per_s=100))
    assert gate.held is held
