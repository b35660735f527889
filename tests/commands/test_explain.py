"""`optimize explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimize.cli import run_command

DIGITS = Path(__file__).parents[1] / "reports" / "digits.json"


def test_it_says_each_step_and_the_command_that_runs_it_again(capsys: Any) -> None:
    assert run_command(["explain", "onnx-static", "--report", str(DIGITS)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("onnx-static: ok\n  takes 1.13×")
    order = [
        said.index(f"\n  {step}: ok")
        for step in ("golden", "convert onnx", "quantize onnx-static", "check onnx-static")
    ]
    assert order == sorted(order)
    assert said.count("again: python -m optimize.execution.worker") == 4
    assert "gate held" in said


def test_what_failed_shows_the_end_of_its_log(raw: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "log.txt").write_text("\n".join(f"line {i}" for i in range(100)), encoding="utf-8")
    for step in raw["steps"]:
        if step["name"] == "quantize:onnx-static":
            step |= {"state": "crashed", "reason": "killed by SIGSEGV", "log": str(tmp_path / "log.txt")}
    (tmp_path / "report.json").write_text(json.dumps(raw), encoding="utf-8")
    assert run_command(["explain", "onnx-static", "--report", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "quantize onnx-static: crashed" in said and "killed by SIGSEGV" in said
    assert "line 99" in said and "line 50" not in said and "85 lines before; --log" in said
    assert run_command(["explain", "onnx-static", "--report", str(tmp_path), "--log"]) == 0
    assert "line 50" in capsys.readouterr().out


def test_an_unsupported_candidate_has_its_reason_and_no_steps(capsys: Any) -> None:
    assert run_command(["explain", "saved_model-dynamic", "--report", str(DIGITS)]) == 0
    said = capsys.readouterr().out
    assert "saved_model-dynamic: unsupported" in said and "no converter leads" in said and "step by step" not in said


def test_a_name_that_is_not_there_is_answered_with_the_nearest(capsys: Any) -> None:
    assert run_command(["explain", "onnx-statik", "--report", str(DIGITS)]) == 2
    assert "did you mean onnx-static?" in capsys.readouterr().err


def test_without_a_report_it_is_said_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["explain", "onnx-none"]) == 2
    assert "--report PATH" in capsys.readouterr().err
