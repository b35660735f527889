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


def write_onnx(path: Path, operator: str, domain: str = "", reads: str = "x") -> None:
    onnx = pytest.importorskip("onnx")
    text = operator == "StringNormalizer"
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.STRING if text else onnx.TensorProto.FLOAT, ["n"])
        for name in ("x", "y")
    )
    node = onnx.helper.make_node(operator, [reads], ["y"], name="one", domain=domain)
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.acme", 1)]
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def told(path: Path, capsys: Any) -> Any:
    assert run_command(["inspect", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("operator", "domain", "missing", "in_openvino"),
    [
        ("StringNormalizer", "", "StringNormalizer", "computes no text, and of dtype str is x, y"),
        ("Fancy", "com.acme", "com.acme.Fancy", "com.acme.Fancy"),
    ],
)
def test_operators_that_a_converter_has_no_rule_for_are_told_as_the_conversion_would(
    operator: str, domain: str, missing: str, in_openvino: str, tmp_path: Path, capsys: Any
) -> None:
    pytest.importorskip("openvino")
    from optimize.artifact import Artifact
    from optimize.converters import onnx_to_openvino
    from optimize.errors import Unsupported
    from optimize.signature import Signature

    write_onnx(tmp_path / "model.onnx", operator, domain)
    said = told(tmp_path / "model.onnx", capsys)
    refused = said["refusals"]
    assert any(f"uses the operator {domain}:{operator}, which ONNX Runtime" in fact for fact in said["facts"]) == bool(
        domain
    )
    assert refused.keys() == {"onnx_to_saved_model", "onnx_to_openvino"}
    signature = Signature.from_json({side: said[side] for side in ("inputs", "outputs")})
    assert refused["onnx_to_saved_model"] == f"no TensorFlow rule for {missing}, node one"
    with pytest.raises(Unsupported) as raised:
        onnx_to_openvino.convert(Artifact(tmp_path, "onnx", "none", signature), {}, tmp_path)
    assert refused["onnx_to_openvino"] == str(raised.value) and in_openvino in str(raised.value)


def test_a_name_in_a_model_cannot_write_to_the_terminal(tmp_path: Path, capsys: Any) -> None:
    write_onnx(tmp_path / "sly.onnx", "Relu", reads="x\x1b[2J")
    assert run_command(["inspect", str(tmp_path / "sly.onnx")]) == 0
    said = capsys.readouterr().out
    assert "x[2J" in said and "\x1b" not in said
    assert run_command(["inspect", "no\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_graph_that_is_not_whole_is_refused_in_the_checkers_words_and_a_good_one_by_none(
    tmp_path: Path, capsys: Any
) -> None:
    write_onnx(tmp_path / "cut.onnx", "Relu", reads="missing")
    assert told(tmp_path / "cut.onnx", capsys)["refusals"]["onnx_file"].startswith("onnx.checker: Nodes in a graph")
    write_onnx(tmp_path / "good.onnx", "Relu")
    assert told(tmp_path / "good.onnx", capsys)["refusals"] == {}


@pytest.mark.parametrize("content", [b"", b"not onnx at all"])
def test_a_file_that_only_looks_like_a_model_is_said(content: bytes, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "m.onnx").write_bytes(content)
    assert run_command(["inspect", str(tmp_path / "m.onnx")]) == 0
    said = capsys.readouterr().out
    assert "it could not be looked into" in said or "0 parameters" in said
