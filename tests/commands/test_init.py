"""`optimize init`: what it writes runs, and it asks only what cannot be found out."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimize.cli import run_command
from optimize.pipeline.loading import load

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's own files, with no pipeline file."""
    for name in ("model.py", "weights.safetensors", "calibration.npz", "evaluation.npz"):
        shutil.copy(DIGITS / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    onnx = pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 2])
    weight = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "w")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [x], [y], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "tiny net.onnx")
    return tmp_path / "tiny net.onnx"


def test_of_a_state_dict_with_its_class_and_data_beside_it_nothing_is_asked(digits: Path, capsys: Any) -> None:
    assert run_command(["init", "weights.safetensors"]) == 0
    pipeline = load(digits / "pipeline.yaml").pipeline
    assert pipeline.source.code() == {"factory": "model.py:DigitsNet"}
    assert pipeline.source.inputs is not None and pipeline.source.inputs["image"].shape == ("batch", 1, 8, 8)
    assert pipeline.data.calibration and pipeline.data.calibration.file == "calibration.npz"
    assert pipeline.data.evaluation and pipeline.data.evaluation.labels == "label"
    assert run_command(["check"]) == 0
    assert "pipeline.yaml: ok, " in capsys.readouterr().out


def test_what_it_writes_runs(onnx_file: Path, capsys: Any) -> None:
    assert run_command(["init", onnx_file.name]) == 0
    text = Path("pipeline.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=.optimize/pipeline.schema.json\n")
    assert json.loads(Path(".optimize/pipeline.schema.json").read_text(encoding="utf-8"))["title"]
    assert run_command(["run", "--until", "check", "--only", "onnx-none", "-q"]) == 0
    report = json.loads(Path("build/report.json").read_text(encoding="utf-8"))
    (one,) = [c for c in report["candidates"] if c["name"] == "onnx-none"]
    assert one["state"] == "ok"


def test_without_a_terminal_what_cannot_be_found_out_is_named_as_an_option(digits: Path, capsys: Any) -> None:
    (digits / "model.py").unlink()
    assert run_command(["init", "weights.safetensors"]) == 2
    assert "--factory model.py:Net" in capsys.readouterr().err
    for data in digits.glob("*.npz"):
        data.unlink()
    assert run_command(["init", "weights.safetensors", "--factory", "net.py:Net"]) == 2
    assert "--input NAME=DTYPE[DIMS]" in capsys.readouterr().err
    given = ["--factory", "net.py:Net", "--input", "image=float32[batch,1,8,8]"]
    assert run_command(["init", "weights.safetensors", *given]) == 0
    text = (digits / "pipeline.yaml").read_text(encoding="utf-8")
    assert "image: {dtype: float32, shape: [batch, 1, 8, 8]}" in text and "static as well, once" in text


def test_at_a_terminal_it_asks(digits: Path) -> None:
    (digits / "model.py").rename(digits / "model.txt")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "optimize", "init", "weights.safetensors"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=digits,
    )
    os.close(slave)
    os.write(master, b"model.py:DigitsNet\n")
    assert process.wait(30) == 0
    assert b"What builds the module" in os.read(master, 10_000)
    os.close(master)
    assert "factory: model.py:DigitsNet\n" in (digits / "pipeline.yaml").read_text(encoding="utf-8")


def test_a_file_that_is_there_is_not_written_over(digits: Path, capsys: Any) -> None:
    (digits / "pipeline.yaml").write_text("mine", encoding="utf-8")
    assert run_command(["init", "weights.safetensors"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (digits / "pipeline.yaml").read_text(encoding="utf-8") == "mine"
    assert run_command(["init", "weights.safetensors", "--force"]) == 0


@pytest.mark.parametrize("given", ["image", "image=float32", "image=float32(1)", "=float32[1]"])
def test_an_input_that_cannot_be_read_is_shown_how(given: str, digits: Path, capsys: Any) -> None:
    assert run_command(["init", "weights.safetensors", "--input", given]) == 2
    assert "such as image=float32[batch,1,8,8]" in capsys.readouterr().err


def test_data_that_is_none_is_said(digits: Path, capsys: Any) -> None:
    assert run_command(["init", "weights.safetensors", "--calibration", "model.py"]) == 2
    assert "np.savez" in capsys.readouterr().err


def test_a_kind_without_a_source_is_said(digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from optimize.sources import base

    only = {"onnx": base.sources()["onnx"]}
    monkeypatch.setattr(base, "sources", lambda: only)
    assert run_command(["init", "weights.safetensors"]) == 2
    assert "has no source of kind pytorch; it has onnx" in capsys.readouterr().err


def test_strange_names_survive(digits: Path) -> None:
    strange = digits / 'a: "b" #c'
    strange.mkdir()
    for name in ("model.py", "weights.safetensors", "calibration.npz"):
        shutil.copy(digits / name, strange)
    assert run_command(["init", str(strange / "weights.safetensors")]) == 0
    assert load(digits / "pipeline.yaml").pipeline.name == "a-b-c"
