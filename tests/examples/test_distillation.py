"""The recipe for distillation runs as the documents say, and its student goes through the pipeline."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_student_learns_within_its_budget_and_is_quantized_like_any_model(root: Path, tmp_path: Path) -> None:
    for name in ("digits", "distillation"):
        shutil.copytree(root / "examples" / name, tmp_path / "examples" / name, ignore=shutil.ignore_patterns("build"))
    recipe = [sys.executable, "examples/distillation/distill.py", "--steps", "150", "--budget-s", "60"]
    done = subprocess.run(recipe, cwd=tmp_path, capture_output=True, text=True, check=True)
    student = float(done.stdout.split("student ")[1].split()[0])
    assert student > 0.8, done.stdout
    command = [sys.executable, "-m", "optimize", "run", "examples/distillation/pipeline.yaml", "--until", "check"]
    subprocess.run([*command, "--quiet"], cwd=tmp_path, check=True)
    report = json.loads((tmp_path / "examples" / "distillation" / "build" / "report.json").read_text())
    assert {c["name"]: c["state"] for c in report["candidates"]} == {"onnx-none": "ok", "onnx-static": "ok"}
