"""The verdict on the machine, from evidence that is given, and from a real machine with a core that burns."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from optimize.benchmarks.noise import Counters, Evidence, judge_noise, read_counters
from optimize.benchmarks.statistics import Ratio
from optimize.execution.run import run
from tests.conftest import Project

CALM = {"other_cores": 0.05, "steal_share": 0.0, "pressure_share": 0.02}
EVEN = Ratio(1.002, 0.998, 1.006)


def test_a_machine_with_nothing_against_it_is_quiet() -> None:
    judged = judge_noise(EVEN, CALM, 0.99, 0.015)
    assert (judged["verdict"], judged["because"]) == ("quiet", [])


@pytest.mark.parametrize(
    ("control", "shares", "on_core", "because"),
    [
        (Ratio(1.009, 1.0, 1.02), CALM, 0.99, "differs from itself by 0.9%"),
        (EVEN, CALM | {"other_cores": 0.5}, 0.99, "other processes took 0.50 cores"),
        (EVEN, CALM | {"steal_share": 0.05}, 0.99, "the hypervisor kept 5.0% of the time"),
        (EVEN, CALM | {"pressure_share": 0.2}, 0.99, "something else waited for a core 20.0% of the time"),
        (EVEN, CALM, 0.8, "had its core for only 80% of the time"),
    ],
)
def test_each_kind_of_evidence_alone_makes_it_noisy(
    control: Ratio, shares: dict[str, float | None], on_core: float, because: str
) -> None:
    judged = judge_noise(control, shares, on_core, 0.015)
    assert judged["verdict"] == "noisy" and because in judged["because"][0]


def test_far_beyond_what_is_allowed_it_is_unusable() -> None:
    assert judge_noise(Ratio(1.1, 1.0, 1.2), CALM, 0.99, 0.015)["verdict"] == "unusable"


def test_evidence_that_the_kernel_does_not_count_is_none_and_not_zero() -> None:
    assert Evidence().shares() == {"other_cores": None, "steal_share": None, "pressure_share": None}
    evidence = Evidence()
    evidence.add(Counters(0, 0, 0, None), Counters(10, 8, 1, None), own_s=5)
    assert evidence.shares() == {"other_cores": pytest.approx(0.3), "steal_share": 0.1, "pressure_share": None}


def test_counters_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    import os

    tick = os.sysconf("SC_CLK_TCK")
    (tmp_path / "stat").write_text(f"cpu  {tick} 0 {tick} 999 9 0 0 {3 * tick} 0 0\ncpu0 1 2 3\n")
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull total=0\n")
    read = read_counters(tmp_path)
    assert read is not None
    assert (read.busy_s, read.steal_s, read.stalled_s) == (2, 3, 2.5)
    assert read_counters(tmp_path / "nowhere") is None


def test_waits_of_the_measurements_own_processes_are_no_pressure(tmp_path: Path) -> None:
    for thread, waited_ns in (("self/task/7", 500_000_000), ("8/task/8", 600_000_000), ("8/task/9", 400_000_000)):
        (tmp_path / thread).mkdir(parents=True)
        (tmp_path / thread / "schedstat").write_text(f"99 {waited_ns} 3\n")
    (tmp_path / "self/task/7/children").write_text("8 ")
    (tmp_path / "stat").write_text("cpu  0 0 0 0 0 0 0 0 0 0\n")
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n")
    read = read_counters(tmp_path)
    assert read is not None and read.stalled_s == 1.0


def test_with_a_core_that_burns_beside_it_the_verdict_is_not_quiet(onnx_project: Project) -> None:
    path = onnx_project()
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(1)]
    try:
        report = run(path, until="measure").report
    finally:
        for process in burning:
            process.kill()
            process.wait()
    assert report.noise is not None and report.noise.verdict != "quiet"
    assert report.noise.because and not math.isnan(report.noise.control or 0)
    assert all(c.latency is not None and c.latency.n > 0 for c in report.candidates), "no figure is thrown away"
