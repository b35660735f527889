"""An old artifact measured again beside the candidates: from a bundle, a folder or a file, with three outcomes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from optimize.cli import run_command
from optimize.errors import UserError
from optimize.execution.baseline import open_baseline
from optimize.execution.run import run
from optimize.pipeline.schema import Gates
from optimize.reports.model import Report
from optimize.selection import Choice, Judged, check_gates, choose, undecided_regression
from optimize.store import State
from tests.conftest import Project, write_onnx_model

THROUGHPUT = ["benchmark.throughput={budget_s: 3, seconds: 0.2}"]


def judged(verdict: str, ratio: float = 1.01) -> Judged:
    found = {"ratio": ratio, "ci": (ratio - 0.03, ratio + 0.03), "margin": 0.02, "verdict": verdict}
    one = Judged("a", State.OK, "", "fp32", size_bytes=1, latency={"p50_ms": 1.0}, regression=found)
    return Judged(**{**one.__dict__, "gates": check_gates(one, Gates(regression="2%"))})  # type: ignore[arg-type]


def decided(verdict: str) -> Choice:
    one = judged(verdict)
    return undecided_regression(choose([one], "latency"), [one])


def test_a_candidate_that_regressed_misses_the_gate() -> None:
    assert decided("regressed").winner is None
    assert "takes 1.010× [0.980, 1.040] the time of the baseline" in decided("regressed").reasons["a"]


def test_one_that_did_not_wins() -> None:
    assert decided("ok").winner == "a" and not decided("ok").undecided


def test_one_that_may_have_leaves_the_run_without_a_verdict() -> None:
    choice = decided("inconclusive")
    assert choice.winner is None and "neither within nor over the margin of 2.0%" in choice.undecided


def test_a_margin_of_nothing_is_refused_and_a_percentage_is_a_share() -> None:
    assert Gates(regression="2%").regression == 0.02  # type: ignore[arg-type]
    for wrong in ("0%", 0, -0.1, "two%"):
        with pytest.raises(ValueError, match="regression"):
            Gates(regression=wrong)  # type: ignore[arg-type]


def test_without_a_baseline_the_gate_is_refused_with_what_to_type(
    onnx_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = onnx_project(gates={"regression": "2%"})
    assert run_command(["run", str(path)]) == 2
    said = capsys.readouterr().err
    assert "gates.regression" in said and "optimize run --baseline PATH" in said


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        open_baseline(tmp_path / "missing.tar.gz", tmp_path)
    with pytest.raises(UserError, match="no model lies in it"):
        open_baseline(tmp_path, tmp_path)
    (tmp_path / "model.txt").write_text("x")
    with pytest.raises(UserError, match=r"not a model\.tar\.gz"):
        open_baseline(tmp_path / "model.txt", tmp_path)


def test_a_file_and_a_folder_are_told_by_what_their_runtime_opens(tmp_path: Path) -> None:
    write_onnx_model(tmp_path / "old.onnx")
    found = open_baseline(tmp_path / "old.onnx", tmp_path / "cache")
    assert found.format == "onnx" and (found.folder / "model.onnx").is_file()
    inside = tmp_path / "1"
    inside.mkdir()
    (inside / "saved_model.pb").write_bytes(b"x")
    assert open_baseline(inside, tmp_path / "cache").format == "saved_model"


def test_a_run_against_its_own_bundle_measures_it_again_and_says_what_came_of_it(onnx_project: Project) -> None:
    """Whether the machine lets it be told is not tested here: the study does that."""
    path = onnx_project(candidates={"formats": ["onnx"], "quantization": ["none"]})
    first = run(path)
    assert first.bundle is not None
    old = shutil.copy(first.bundle, path.parent / "old.tar.gz")
    again = run(path, baseline=old, until="measure", overrides=[*THROUGHPUT, "gates.regression=50%"])
    report: Report = again.report
    (candidate,) = report.candidates
    assert report.baseline is not None and report.baseline.latency is not None and report.baseline.format == "onnx"
    assert candidate.regression is not None and candidate.regression.margin == 0.5
    assert again.exit_code == {"ok": 0, "regressed": 1, "inconclusive": 4}[candidate.regression.verdict]
    said = (path.parent / "build" / "report.md").read_text()
    assert "Baseline" in said and "Throughput" in said
    throughput = candidate.throughput
    assert throughput is not None and {point.rows for point in throughput.closed} == {1, 4, 16}
    assert candidate.cold_start is not None and "% of the wait is" in candidate.cold_start.profile
    assert 20 <= len(candidate.cold_start.first_calls_ms) <= 51
    assert candidate.memory is not None and candidate.memory.workers_bytes is not None
    _recommends(path.parent / "build")


def _recommends(folder: Path) -> None:
    found = json.loads(_said(["recommend", str(folder), "--json", "--price", "ml.c7i.large=0.1"]))
    assert found["types"][0]["name"] == "ml.c7i.large" or found["types"][0]["usd_per_million"] is None
    assert found["need"]["peak_bytes"] > 10e6 and len(found["types"]) > 100


def _said(arguments: list[str]) -> str:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run_command(arguments) == 0
    return out.getvalue()
