"""The repository and its config.pbtxt are as Triton's own schema and the model's signature have it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf import text_format

from optimize.bundles.inspection import guess_container
from optimize.bundles.triton import find_model, open_folder
from optimize.bundles.triton_config import PLATFORMS, config_problems, read_config, write_config
from optimize.errors import Unsupported, UserError
from optimize.signature import Signature, TensorSpec
from tests.bundles.cases import SIGNATURES, boot_request
from tests.bundles.conftest import Carry

SCALARS = Signature((TensorSpec("rate", "float16", ()),), (TensorSpec("mask", "bool", ("batch", 2)),))


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """NVIDIA's own inference.ModelConfig. The package beside it imports gRPC, which this does not need."""
    path = distribution("tritonclient").locate_file("tritonclient/grpc/model_config_pb2.py")
    spec = importlib.util.spec_from_file_location("model_config_pb2", str(path))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("signature", [*SIGNATURES.values(), SCALARS], ids=["single", "several", "scalars"])
@pytest.mark.parametrize("format", PLATFORMS)
def test_what_is_written_is_tritons_own_text_format_and_says_what_the_signature_does(
    schema: ModuleType, format: str, signature: Signature
) -> None:
    text = write_config("model", format, signature, 2, {"batch": 1, "sequence": 7})
    config = text_format.Parse(text, schema.ModelConfig())
    assert [tensor.data_type for tensor in config.input] == [
        {"float32": 11, "int64": 9, "float16": 10}[spec.dtype] for spec in signature.inputs
    ]
    assert config.max_batch_size == 0
    assert config.instance_group[0].kind == 2  # KIND_CPU
    assert config.model_warmup[0].inputs.keys() == {tensor.name for tensor in config.input}
    assert config_problems(read_config(text), format, signature) == []


def test_dimensions_of_any_size_are_minus_one_and_a_scalar_is_reshaped(schema: ModuleType) -> None:
    several = text_format.Parse(write_config("m", "onnx", SIGNATURES["several"], 1, {}), schema.ModelConfig())
    assert [list(tensor.dims) for tensor in several.input] == [[-1, -1], [-1]]
    assert list(several.model_warmup) == []
    scalar = text_format.Parse(write_config("m", "onnx", SCALARS, 1, {}), schema.ModelConfig()).input[0]
    assert (list(scalar.dims), scalar.HasField("reshape"), list(scalar.reshape.shape)) == ([1], True, [])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("TYPE_FP32, dims: [-1, 2, 3]", "TYPE_FP16, dims: [-1, 2, 3]", "input image is TYPE_FP16"),
        ("[-1, 4]", "[-1, 5]", "output logits is TYPE_FP32 ['-1', '5']; the model has logits: float32[batch, 4]"),
        ('name: "image"', 'name: "picture"', "input image is not in config.pbtxt; input picture is in config.pbtxt"),
    ],
)
def test_a_configuration_that_is_not_the_models_is_found(old: str, new: str, says: str) -> None:
    text = write_config("model", "onnx", SIGNATURES["single"], 1, {})
    assert old in text
    assert says in "; ".join(config_problems(read_config(text.replace(old, new)), "onnx", SIGNATURES["single"]))


@pytest.mark.parametrize("text", ["input [", "name: {", 'name: "x" }', "name: @"])
def test_what_is_no_text_format_is_said(text: str) -> None:
    with pytest.raises(UserError, match=r"config\.pbtxt"):
        read_config(text)
        read_config(text + "{")


def test_a_dtype_that_triton_has_not_is_unsupported() -> None:
    with pytest.raises(Unsupported, match=r"x is complex64, which a config\.pbtxt of Triton's cannot name"):
        write_config("m", "onnx", Signature((TensorSpec("x", "complex64", (1,)),)), 1, {})


def test_a_layout_that_triton_would_not_take_is_refused_with_the_one_it_would(tmp_path: Path) -> None:
    (tmp_path / "config.pbtxt").write_text("")
    with pytest.raises(UserError, match=r"lies at the root; Triton's container wants a folder for each model"):
        find_model(tmp_path)
    (tmp_path / "config.pbtxt").unlink()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.pbtxt").write_text('name: "other"')
    with pytest.raises(UserError, match=r"Triton finds none; expected one folder such as model/1/"):
        find_model(tmp_path)
    (tmp_path / "model" / "1").mkdir()
    (tmp_path / "model" / "1" / "model.onnx").write_bytes(b"")
    assert guess_container(tmp_path) == "triton"
    with pytest.raises(UserError, match="names the model 'other', and its folder is 'model'"):
        open_folder(tmp_path, SIGNATURES["single"])


def test_the_report_says_that_triton_was_not_started(
    emitted: Callable[..., Path], golden: Callable[[str], Path], carry_out: Carry
) -> None:
    result, _ = carry_out(boot_request(emitted("onnx", "single", "triton"), golden("single"), multi_model=True))
    assert result["state"] == "ok", result
    assert "Triton not started" in result["payload"]["how"]
    assert result["payload"]["served"] is None
    assert "cannot be started here" in result["payload"]["instead"]
