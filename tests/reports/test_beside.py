"""What is said beside the figures, in words."""

from __future__ import annotations

from typing import Any

from optimize.pipeline.schema import Benchmark
from optimize.reports.beside import load_profile, measurement_warnings

START = {"interpreter_s": 0.02, "import_s": 0.83, "read_s": 0.01, "open_s": 0.1, "first_run_s": 0.04}


def test_the_longest_phase_is_named_with_its_share() -> None:
    assert load_profile(START, "torch") == "83 % of the wait is importing torch"
    slow = START | {"open_s": 9.0}
    assert load_profile(slow, "openvino") == "91 % of the wait is making a session of it"


def measured(**ratio: Any) -> dict[str, Any]:
    whole = {"value": 0.5, "ci": (0.49, 0.51), "half_width": 0.01, "verdict": "conclusive", "cpu": 0.5, "minima": 0.5}
    return {"a": {"latency": {"generations": 5, "ratio": whole | ratio}}}


def test_nothing_is_said_where_the_ratios_agree_and_are_narrow() -> None:
    assert measurement_warnings(measured(), Benchmark()) == []


def test_ratios_that_disagree_by_more_than_five_percent_are_told() -> None:
    (warning,) = measurement_warnings(measured(cpu=0.6), Benchmark())
    assert warning == "a takes 0.500× the source's time by medians, and 0.600× by processor time"


def test_an_interval_that_stayed_wide_is_told_with_the_processes_that_a_narrow_one_would_take() -> None:
    (warning,) = measurement_warnings(measured(half_width=0.03, verdict="inconclusive"), Benchmark())
    assert "after 5 processes each: a (±3.0%); about 20 (benchmark.processes) would narrow them" in warning


def test_where_no_number_of_processes_would_do_only_a_quieter_machine_is_asked_for() -> None:
    (warning,) = measurement_warnings(measured(half_width=2.2, verdict="inconclusive"), Benchmark())
    assert warning.endswith("a (±220.0%); it takes a quieter machine")
