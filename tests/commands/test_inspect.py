"""`optimize inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimize.cli import run_command
from tests.commands.test_init import onnx_file

__all__ = ["onnx_file"]
DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def test_an_onnx_model_tells_its_signature_operators_and_opset(onnx_file: Path, capsys: Any) -> None:
    assert run_command(["inspect", onnx_file.name]) == 0
    said = capsys.readouterr().out
    for words in ("x: float32[batch, 3]", "y: float32[batch, 2]", "6 parameters", "MatMul ×1", "opset ai.onnx 17"):
        assert words in said
    assert "onnx-none" in said and "what can be made of it" in said


def test_a_state_dict_tells_its_weights_and_paths(capsys: Any) -> None:
    assert run_command(["inspect", str(DIGITS / "weights.safetensors"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["kind"] == "pytorch" and said["weights"]
    assert said["candidates"]["saved_model-none"].startswith("pytorch_to_aten_graph")


@pytest.mark.parametrize("content", [b"", b"not onnx at all"])
def test_a_file_that_only_looks_like_a_model_is_said(content: bytes, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "m.onnx").write_bytes(content)
    assert run_command(["inspect", str(tmp_path / "m.onnx")]) == 0
    said = capsys.readouterr().out
    assert "it could not be looked into" in said or "0 parameters" in said
