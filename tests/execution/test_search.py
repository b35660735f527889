"""`quantization: auto` from the pipeline file to the report: one search that was killed, resumed, and run again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import optimize
from tests.conftest import Project, onnx_answers
from tests.execution.test_survival import wait_until
from tests.outlier import write_outlier_cnn

BENCHMARK = {"processes": 3, "budget_s": 0.3}


@dataclass(frozen=True)
class Runs:
    """Of the outlier CNN: a first run that was killed in its second trial, and two that came to their end."""

    folder: Path
    killed: set[str]
    """Steps that stood in the store when the first was killed."""
    resumed: optimize.RunResult
    again: optimize.RunResult

    @property
    def search(self) -> Mapping[str, Any]:
        report: Mapping[str, Any] = json.loads((self.folder / "build" / "report.json").read_text())
        search: Mapping[str, Any] = report["search"]
        return search


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("outlier")
    path = write_project(folder)
    process = subprocess.Popen([sys.executable, "-m", "optimize", "run", str(path)], stdout=subprocess.DEVNULL)
    second = "onnx_static"
    wait_until(lambda: any(second in p.read_text() for p in (folder / ".optimize" / "staging").glob("*/request.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    records = (json.loads(p.read_text()) for p in (folder / ".optimize" / "store").glob("*/*/*/record.json"))
    killed = {record["step"] for record in records}
    assert not (folder / "build").exists()
    return Runs(folder, killed, optimize.run(path), optimize.run(path))


def write_project(folder: Path) -> Path:
    write_outlier_cnn(folder / "model.onnx")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((64, 3, 12, 12)).astype(np.float32)
    np.savez(folder / "evaluation.npz", x=x, label=onnx_answers(folder / "model.onnx", x).argmax(1))
    np.savez(folder / "calibration.npz", x=rng.standard_normal((32, 3, 12, 12)).astype(np.float32))
    pipeline = {
        "name": "outlier",
        "source": {"kind": "onnx", "file": "model.onnx"},
        "data": {"calibration": "calibration.npz", "evaluation": "evaluation.npz"},
        "candidates": {
            "formats": ["onnx"], "quantization": "auto", "budget": "30m", "tune": True,
            "options": {"onnx-static": {"per_channel": False}},
        },
        "tolerances": {"int8": {"cosine": 0.999}},
        "gates": {"accuracy_drop": 0.05},
        "benchmark": BENCHMARK,
    }  # fmt: skip
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    return path


def static_trials(runs: Runs) -> list[Mapping[str, Any]]:
    return [trial for trial in runs.search["trials"] if trial["method"] == "static" and not trial["settings"]]


def test_an_outlier_channel_collapses_under_plain_int8_and_is_saved_within_twelve_trials(runs: Runs) -> None:
    plain, *others = static_trials(runs)
    assert plain["state"] == "drifted" and not plain["cleared"] and plain["ratio"] is None, "wrong ones are not timed"
    saved = [trial for trial in others if trial["cleared"]]
    assert saved and min(trial["number"] for trial in saved) <= 12


def test_the_layers_about_the_outlier_are_found_to_be_the_most_sensitive(runs: Runs) -> None:
    layers = [layer["layer"] for layer in runs.search["sensitivity"]["onnx-static"]]
    assert set(layers[:2]) == {"first", "second"}


def test_the_candidate_is_the_best_trial(runs: Runs) -> None:
    candidate = next(c for c in runs.again.report.candidates if c.name == "onnx-auto")
    assert candidate.state == "ok"
    (best,) = [trial for trial in runs.search["trials"] if trial["best"]]
    assert best["cleared"] and f"the best of {len(runs.search['trials'])} trials" in candidate.reason
    assert best["ratio"]["value"] == min(t["ratio"]["value"] for t in runs.search["trials"] if t["cleared"])
    assert candidate.settings == best["settings"]
    assert candidate.drift["logits"].model_dump() == best["drift"]["logits"]


def test_what_the_runtime_is_told_is_tried_where_the_file_asks_for_it(runs: Runs) -> None:
    tuned = [trial for trial in runs.search["trials"] if trial["settings"]]
    assert {"spinning": False} in [trial["settings"] for trial in tuned]


def test_after_a_kill_no_trial_that_was_made_is_made_again(runs: Runs) -> None:
    assert "check:onnx-auto-1" in runs.killed
    assert not runs.killed & set(runs.resumed.executed)


def test_a_second_run_makes_no_trial_and_comes_to_the_same(runs: Runs) -> None:
    assert runs.again.executed == ()
    assert runs.again.report.search == runs.resumed.report.search


def test_the_budget_that_was_used_is_what_the_trials_once_took(runs: Runs) -> None:
    search = runs.search
    steps = {step.name: step.seconds for step in runs.again.report.steps}
    ranking = sum(seconds or 0.0 for name, seconds in steps.items() if name.startswith("rank:"))
    assert search["used_s"] == pytest.approx(sum(t["seconds"] for t in search["trials"]) + ranking, abs=0.05)
    assert search["used_s"] <= search["budget_s"] and search["stopped"] == "everything there is to try was tried"


def test_a_smaller_budget_ends_the_same_search_sooner_with_the_best_so_far(runs: Runs) -> None:
    seconds = [trial["seconds"] for trial in runs.search["trials"]]
    budget = seconds[0] + seconds[1] + 0.01
    overrides = [f"candidates.budget={budget:.3f}", "report=small"]
    result = optimize.run(runs.folder / "pipeline.yaml", overrides=overrides, until="measure")
    search = result.report.search
    assert not [step for step in result.executed if step.startswith(("quantize", "check"))]
    assert search is not None and len(search.trials) == 2
    assert "of the budget of" in search.stopped
    assert [t.model_dump()["drift"] for t in search.trials] == [t["drift"] for t in runs.search["trials"][:2]]


def test_where_int8_is_slower_fp32_wins_and_the_report_says_why(onnx_project: Project) -> None:
    """16 inputs, 32 hidden: to quantize the activations takes longer than the float products."""
    path = onnx_project(
        candidates={"formats": ["onnx"], "quantization": "auto"}, data={"evaluation": "evaluation.npz"},
        benchmark=BENCHMARK,
    )  # fmt: skip
    report = optimize.run(path, until="measure").report
    assert report.search is not None
    assert report.winner == "onnx-none"
    assert any(reason.startswith("too small") for reason in report.search.slower["onnx"])
    lost = next(c for c in report.candidates if c.name == "onnx-auto")
    assert "no faster than fp32: " in lost.reason
    assert any("the file names no calibration data" in note for note in report.search.notes)


def test_where_nothing_clears_the_bar_the_nearest_is_reported_and_not_sold(onnx_project: Project) -> None:
    path = onnx_project(
        candidates={"formats": ["onnx"], "quantization": "auto"}, data={"evaluation": "evaluation.npz"},
        benchmark=BENCHMARK, tolerances={p: {"cosine": 1.0} for p in ("fp32", "fp16", "bf16", "int8", "int4")},
    )  # fmt: skip
    result = optimize.run(path, only=["onnx-auto"], until="measure")
    assert result.exit_code == 1 and result.winner is None
    (candidate,) = result.report.candidates
    assert candidate.state == "drifted"
    assert "none of them right" in candidate.reason
    assert result.report.search is not None and not any(trial.cleared for trial in result.report.search.trials)
