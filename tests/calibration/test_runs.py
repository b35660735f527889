"""Calibration data in whole runs: memory, random data, and what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.conftest import Project
from tests.quantizers.onnx_models import rows, write_cnn

GENERATOR = """
import numpy as np

def rows():
    rng = np.random.default_rng(0)
    while True:
        yield {"x": rng.standard_normal((3, 12, 12), np.float32)}
"""


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimize", "run", str(path), "--quiet", "--until", "quantize", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def report(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path.parent / "build" / "report.json").read_text())
    return found


@pytest.fixture
def cnn(tmp_path: Path) -> Path:
    """A project with a CNN, evaluation rows, and a generator that never ends."""
    write_cnn(tmp_path / "model.onnx")
    np.savez(tmp_path / "evaluation.npz", x=rows(16).arrays["x"], label=np.arange(16) % 10)
    (tmp_path / "rows.py").write_text(GENERATOR)
    pipeline = {
        "name": "cnn", "source": {"kind": "onnx", "file": "model.onnx"},
        "data": {"calibration": {"generator": "rows.py:rows", "rows": 10}, "evaluation": "evaluation.npz"},
        "candidates": {
            "formats": ["onnx"], "quantization": ["static"],
            "options": {"onnx-static": {"calibration": "percentile"}},
        },
    }  # fmt: skip
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(pipeline))
    return tmp_path / "pipeline.yaml"


@pytest.mark.parametrize(
    ("quantized", "options"), [("onnx", "{onnx-static: {calibration: percentile}}"), ("openvino", "{}")]
)
def test_memory_does_not_grow_with_the_rows(cnn: Path, quantized: str, options: str) -> None:
    """10,000 rows are 17 MB as float32, and 92 MB with the activations that the histograms look at."""
    peaks = []
    for count in (10, 10_000):
        candidates = f"{{formats: [{quantized}], quantization: [static], options: {options}}}"
        done = run(cnn, "-o", f"data.calibration.rows={count}", "-o", f"candidates={candidates}")
        assert done.returncode == 0, done.stdout + done.stderr
        (step,) = [step for step in report(cnn)["steps"] if step["name"] == f"quantize:{quantized}-static"]
        assert f" {count} rows" in step["method"] and not step["cached"]
        peaks.append(step["peak_bytes"])
    assert peaks[1] - peaks[0] < 8e6, peaks


def test_random_calibration_is_drawn_only_when_asked_for_and_the_report_says_so(onnx_project: Project) -> None:
    path = onnx_project(data={"calibration": "random"}, candidates={"formats": ["onnx"], "quantization": ["static"]})
    assert (done := run(path)).returncode == 0, done.stdout + done.stderr
    assert any("calibration is random" in warning for warning in report(path)["warnings"])
    assert "over 32 rows" in report(path)["candidates"][0]["method"]


def test_what_stands_is_not_lost_where_calibration_data_is_wrong(onnx_project: Project) -> None:
    path = onnx_project(candidates={"formats": ["onnx"], "quantization": ["none", "static"]})
    np.savez(path.parent / "calibration.npz", x=np.full((8, 16), np.nan, np.float32))
    done = run(path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "data.calibration" in done.stderr and "x holds NaN or infinite values" in done.stderr
    np.savez(path.parent / "calibration.npz", x=np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32))
    assert run(path).returncode == 0
    cached = {step["name"]: step["cached"] for step in report(path)["steps"]}
    assert cached["golden"] and cached["convert:onnx"] and not cached["quantize:onnx-static"]


def test_other_bytes_of_a_folder_or_of_the_generators_code_are_calibrated_on_again(cnn: Path) -> None:
    def cached() -> bool:
        assert run(cnn).returncode == 0
        return bool(next(s["cached"] for s in report(cnn)["steps"] if s["name"] == "quantize:onnx-static"))

    assert [cached(), cached()] == [False, True]
    (cnn.parent / "rows.py").write_text(GENERATOR.replace("rng(0)", "rng(1)"))
    assert not cached()


def test_a_metric_that_raises_is_the_users_to_mend(cnn: Path) -> None:
    (cnn.parent / "metric.py").write_text("def score(outputs, labels):\n    raise RuntimeError('no such class')\n")
    evaluation = "{file: evaluation.npz, metric: 'metric.py:score'}"
    done = run(cnn, "-o", f"data.evaluation={evaluation}")
    assert done.returncode == 2 and "metric.py:score raised RuntimeError: no such class" in done.stderr


def test_a_layer_to_exclude_that_does_not_exist_ends_the_run_with_the_nearest(cnn: Path) -> None:
    done = run(cnn, "-o", "candidates.options.onnx-static.exclude=[/secnd/Conv]")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "candidates.options.onnx-static" in done.stderr and "the nearest are /second/Conv" in done.stderr
