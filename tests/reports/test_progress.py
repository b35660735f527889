"""Where each candidate stands, and what is left, with no clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimize.execution.estimates import expected_seconds
from optimize.execution.events import StepResult
from optimize.plan import Candidate, Plan, Stage, Step
from optimize.reports.progress import Progress, Standing, duration
from optimize.store import State

STEPS = {
    step.name: step
    for step in (
        Step("golden", Stage.GOLDEN, "source"),
        Step("convert:onnx", Stage.CONVERT, "to_onnx", ("golden",)),
        Step("quantize:onnx-static", Stage.QUANTIZE, "to_int8", ("golden", "convert:onnx")),
        Step("check:onnx-none", Stage.CHECK, "run_onnx", ("golden", "convert:onnx")),
        Step("check:onnx-static", Stage.CHECK, "run_onnx", ("golden", "quantize:onnx-static")),
    )
}
CANDIDATES = (
    Candidate("onnx-none", "onnx", "none", "convert:onnx", "check:onnx-none"),
    Candidate("onnx-static", "onnx", "static", "quantize:onnx-static", "check:onnx-static"),
    Candidate("litert-none", "litert", "none", reason="no converter leads there"),
)
PLAN = Plan(STEPS, CANDIDATES, Stage.BUNDLE)
EXPECTED = {"golden": 4.0, "convert:onnx": 10.0, "check:onnx-none": 2.0, "measure": 60.0}


@pytest.fixture
def progress() -> Progress:
    one = Progress(now=100.0, workers=2)
    one.planned(PLAN, EXPECTED)
    return one


def end(progress: Progress, name: str, state: State = State.OK, reason: str = "") -> None:
    progress.ended(StepResult(STEPS.get(name) or Step(name, Stage.MEASURE, ""), state, reason))


def test_each_candidate_stands_at_the_first_step_of_its_way_that_has_not_ended(progress: Progress) -> None:
    progress.started(STEPS["golden"], 100.0)
    end(progress, "golden")
    progress.started(STEPS["convert:onnx"], 103.0)
    running = "convert onnx 3 s of about 10 s"
    unsupported = Standing("litert-none", "unsupported", "no converter leads there")
    assert progress.standings(106.0) == [
        Standing("onnx-none", "running", running), Standing("onnx-static", "running", running), unsupported,
    ]  # fmt: skip
    end(progress, "convert:onnx")
    progress.started(STEPS["quantize:onnx-static"], 110.0)
    assert progress.standings(117.0) == [
        Standing("onnx-static", "running", "quantize onnx-static 7 s"),
        Standing("onnx-none", "waiting", "for check onnx-none"),
        unsupported,
    ]
    end(progress, "check:onnx-none")
    end(progress, "quantize:onnx-static", State.CRASHED, "killed by SIGSEGV")
    assert progress.standings(120.0)[:2] == [
        Standing("onnx-none", "ok", "checked"),
        Standing("onnx-static", "crashed", "quantize onnx-static: killed by SIGSEGV"),
    ]


def test_what_is_left_is_what_earlier_runs_took_shared_by_the_workers(progress: Progress) -> None:
    progress.started(STEPS["golden"], 100.0)
    # Of the golden 3 s, with 12 s of others, on two workers; then 60 s alone.
    assert progress.summary(101.0) == "golden: 8 steps left, at most about 1 min 8 s by earlier runs; 1 s so far"
    for name in STEPS:
        end(progress, name)
    progress.started(Step("measure", Stage.MEASURE, ""), 130.0)
    assert progress.standings(131.0) == []
    assert progress.summary(150.0) == "measure: 3 steps left, at most about 40 s by earlier runs; 50 s so far"


def test_what_is_in_no_plan_is_told_beside_it(progress: Progress) -> None:
    progress.started(STEPS["golden"], 100.0)
    progress.started(Step("trial:3", Stage.QUANTIZE, ""), 102.0)
    assert progress.beside(104.0) == ["… trial 3 2 s"]


def test_a_first_run_promises_nothing() -> None:
    progress = Progress(now=0.0)
    progress.planned(PLAN, {})
    assert progress.summary(7.0) == "golden: 8 steps left; 7 s so far"


def test_a_plan_made_again_keeps_what_stands(progress: Progress) -> None:
    end(progress, "golden")
    end(progress, "convert:onnx", State.FAILED, "no")
    other = Step("convert:onnx", Stage.CONVERT, "otherwise", ("golden",))
    progress.planned(Plan({**STEPS, other.name: other}, CANDIDATES, Stage.BUNDLE), {})
    assert progress.standings(1.0)[0] == Standing("onnx-none", "waiting", "for convert onnx")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.7, "1 min 0 s"), (160, "2 min 40 s"), (3900, "1 h 5 min")]
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def record(root: Path, key: str, step: str, stage: str, module: str, seconds: float) -> None:
    path = root / "ab" / key / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"step": step, "stage": stage, "module": module, "seconds": seconds}), encoding="utf-8")


def test_estimates_are_read_off_the_store(tmp_path: Path) -> None:
    record(tmp_path, "1", "convert:onnx", "convert", "to_onnx", 12.0)
    record(tmp_path, "2", "check:openvino-none", "check", "run_onnx", 3.0)
    record(tmp_path, "3", "measure", "measure", "", 70.0)
    (tmp_path / "ab" / "3" / "broken").mkdir()
    (tmp_path / "ab" / "4").mkdir()
    (tmp_path / "ab" / "4" / "record.json").write_text("{", encoding="utf-8")
    assert expected_seconds(PLAN, tmp_path) == {
        "convert:onnx": 12.0, "check:onnx-none": 3.0, "check:onnx-static": 3.0, "measure": 70.0,
    }  # fmt: skip
