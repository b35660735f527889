"""`quantization: auto` from the pipeline file to the report: one search that was killed, resumed, and run again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
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
from tests.plugins import CONVERTER, install_package

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
    second = "onnx_weight_only"
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
            "formats": ["onnx"], "quantization": "auto", "budget": "30m",
            "options": {"onnx-static": {"per_channel": False, "exclude": ["head"]}},
        },
        "tolerances": {"int8": {"cosine": 0.999}},
        "gates": {"accuracy_drop": 0.05},
        "benchmark": BENCHMARK,
    }  # fmt: skip
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    return path


def test_an_outlier_channel_collapses_under_plain_int8_and_is_saved_within_twelve_trials(runs: Runs) -> None:
    calibrated = [trial for trial in runs.search["trials"] if trial["method"] in ("static", "smoothquant")]
    plain = calibrated[0]
    assert plain["method"] == "static" and not plain["options"]
    assert plain["state"] == "drifted" and plain["ratio"] is None, "what is wrong is not timed"
    saved = [trial for trial in calibrated if trial["cleared"]]
    assert saved and min(trial["number"] for trial in saved) <= 12


def test_static_int8_itself_is_mended_by_leaving_layers_in_float(runs: Runs) -> None:
    static = [trial for trial in runs.search["trials"] if trial["method"] == "static"]
    mended = [trial for trial in static if trial["cleared"]]
    assert mended and all({"first", "second"} & set(trial["options"].get("exclude", ())) for trial in mended)


def test_what_the_file_leaves_in_float_stays_there(runs: Runs) -> None:
    mended = next(trial for trial in runs.search["trials"] if trial["options"].get("exclude"))
    name = f"quantize:onnx-auto-{mended['number']}"
    log = Path(next(step.log for step in runs.again.report.steps if step.name == name))
    options = json.loads((log.parent / "request.json").read_text())["parameters"]["options"]
    assert options["exclude"] == ["head", *mended["options"]["exclude"]] and options["per_channel"] is False


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
    budget = seconds[0] + seconds[1] - 0.01
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


QUANTIZER = """
from optimize.artifact import Made
from optimize.methods import Method

reads = makes = "copied"
libraries = ()
method = Method("{name}", precision="int8")


def quantize(model, task, output):
    import onnx, time
    from onnx import numpy_helper
    time.sleep({sleep})
    loaded = onnx.load(model.path / "model.onnx")
    for tensor in loaded.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * {factor}, tensor.name))
    onnx.save(loaded, output / "model.onnx")
    return Made("{name}")
"""
TUNED = """
from optimize.runtimes.onnx import Options, open, prepare, read

reads = "copied"
libraries = ("onnxruntime",)
tuning = ({"arena": False}, {"arena": True})
"""


@pytest.fixture
def copied(tmp_path: Path, onnx_project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A project whose one format is a third party's, with one method of its own."""

    def make(quantizer: Mapping[str, Any], **candidates: Any) -> Path:
        package = tmp_path / "package"
        package.mkdir()
        modules = {
            "copying": CONVERTER.format(format="copied", body=""), "running": TUNED,
            "quantizing": QUANTIZER.format(**{"sleep": 0, "factor": 1.0} | dict(quantizer)),
        }  # fmt: skip
        groups = {"converters": "copying", "runtimes": "running", "quantizers": "quantizing"}
        points = {group: {f"copied_{module}": module} for group, module in groups.items()}
        install_package(package, modules, points, monkeypatch)
        return onnx_project(
            candidates={"formats": ["copied"], "quantization": "auto", **candidates}, benchmark=BENCHMARK,
            tolerances={"int8": {"cosine": 0.9, "max_relative": 0.01}},
        )  # fmt: skip

    return make


def run(path: Path) -> tuple[int, Mapping[str, Any]]:
    command = [sys.executable, "-m", "optimize", "run", str(path), "--until", "measure"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report: Mapping[str, Any] = json.loads((path.parent / "build" / "report.json").read_text())
    return done.returncode, report


def test_what_the_runtime_is_told_is_tried_and_reaches_the_check_and_the_report(copied: Callable[..., Path]) -> None:
    code, report = run(copied({"name": "exact"}, tune=True, settings={"copied": {"spinning": False}}))
    assert code == 0
    told = [trial["settings"] for trial in report["search"]["trials"]]
    assert told[:2] == [{}, {"arena": False}], "arena: true is what it is told anyway where nothing else was kept"
    assert all(candidate["settings"]["spinning"] is False for candidate in report["candidates"])
    entry = Path(next(step["log"] for step in report["steps"] if step["name"] == "check:copied-auto-2")).parent
    settings = json.loads((entry / "request.json").read_text())["parameters"]["settings"]
    assert settings == {"spinning": False, "arena": False}


def test_where_nothing_clears_the_bar_the_nearest_is_reported_and_not_sold(copied: Callable[..., Path]) -> None:
    code, report = run(copied({"name": "wrong", "factor": 1.1}))
    candidates = {candidate["name"]: candidate for candidate in report["candidates"]}
    assert candidates["copied-auto"]["state"] == "drifted"
    assert "the nearest of 1 trials, none of them right" in candidates["copied-auto"]["reason"]
    assert code == 0 and report["winner"] == "copied-none", "fp32, which is right, stands beside it"
    notes = report["search"]["notes"]
    assert "copied-wrong: its quantizer has no option to leave layers in float" in notes


def test_a_trial_that_takes_longer_than_the_budget_is_ended_by_it(copied: Callable[..., Path]) -> None:
    code, report = run(copied({"name": "sleepy", "sleep": 600}, budget="4s"))
    assert code == 0 and report["winner"] == "copied-none"
    (trial,) = report["search"]["trials"]
    assert (trial["state"], trial["reason"]) == ("timed_out", "still running when the budget of 4 s ended")
