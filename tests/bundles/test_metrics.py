"""Times are written in CloudWatch's embedded metric format, and never cost an answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import optimize.bundles.handlers

sys.path.insert(0, str(Path(optimize.bundles.handlers.__file__).parent))

import bundle_metrics


def test_a_hundred_values_make_one_line_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIMIZE_METRICS", str(tmp_path / "log"))
    metrics = bundle_metrics.Metrics("model.onnx")
    for _ in range(250):
        metrics.put("ModelLatency", 0.002)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    assert [len(line["ModelLatency"]) for line in lines] == [100, 100]
    assert lines[0]["ModelLatency"][0] == 2.0
    directive = lines[0]["_aws"]["CloudWatchMetrics"][0]
    assert directive["Metrics"] == [{"Name": "ModelLatency", "Unit": "Milliseconds"}]
    assert all(key in lines[0] for key in directive["Dimensions"][0])
    metrics.flush()
    assert len((tmp_path / "log").read_text(encoding="utf-8").splitlines()) == 3


def test_metrics_that_cannot_be_written_there_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPTIMIZE_METRICS", str(tmp_path / "no" / "folder"))
    metrics = bundle_metrics.Metrics("model.onnx")
    metrics.put("LoadTime", 1.0)
    metrics.flush()
    assert json.loads(capsys.readouterr().out)["LoadTime"] == [1000.0]
