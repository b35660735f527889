"""The three smaller examples, each from the script that makes its model to its bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.slow
BRIEFLY = ("-o", "benchmark.processes=3", "-o", "benchmark.budget_s=0.5")


def copied(name: str, folder: Path) -> Path:
    shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("build", ".optimize", "model"))
    return folder / name


def command(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(folder: Path, *arguments: str) -> Mapping[str, Mapping[str, Any]]:
    """Candidates by name."""
    command("-m", "optimize", "run", "--quiet", *arguments, cwd=folder)
    assert (folder / "build" / "model.tar.gz").is_file()
    report = json.loads((folder / "build" / "report.json").read_text(encoding="utf-8"))
    return {c["name"]: c for c in report["candidates"]}


def test_rows_of_a_table_are_served_without_scikit_learn(tmp_path: Path) -> None:
    pytest.importorskip("skops")
    folder = copied("tabular", tmp_path)
    shown = np.load(folder / "evaluation.npz")["features"]
    assert "accuracy 0.9" in command("train.py", cwd=folder)
    assert (np.load(folder / "evaluation.npz")["features"] == shown).all(), "what is committed is what the script makes"
    one = run(folder, *BRIEFLY)["onnx-none"]
    assert one["state"] == "ok" and one["accuracy"]["difference"] == 0
    assert one["latency"]["ratio"]["value"] < 0.5


def test_a_text_encoder_comes_out_of_its_package_and_keeps_its_embeddings(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = copied("text", tmp_path)
    command("make.py", "--layers", "1", cwd=folder)
    found = run(folder, *BRIEFLY)
    assert {name: c["state"] for name, c in found.items()} == {"onnx-none": "ok", "onnx-dynamic": "ok"}
    assert found["onnx-dynamic"]["size_bytes"] < found["onnx-none"]["size_bytes"] / 2


def test_a_keras_model_becomes_litert_in_int8(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    folder = copied("keras", tmp_path)
    found = run(folder, "--only", "litert-none", "--only", "litert-static", *BRIEFLY)
    assert {name: c["state"] for name, c in found.items()} == {"litert-none": "ok", "litert-static": "ok"}
    assert found["litert-static"]["accuracy"]["difference"] > -0.02
