"""What OpenVINO reads of SavedModels stands in the matrix, estimators row by row; here is what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimize.artifact import Artifact
from optimize.converters import onnx_to_openvino, saved_model_to_openvino
from optimize.errors import Unsupported
from optimize.signature import Signature, TensorSpec

WORDS = Signature((TensorSpec("color", "str", ("batch", 1)),), (TensorSpec("label", "int64", ("batch",)),))


@pytest.mark.parametrize("converter", [onnx_to_openvino, saved_model_to_openvino])
def test_text_is_refused_by_its_names_before_a_model_is_read(converter: Any, tmp_path: Path) -> None:
    model = Artifact(tmp_path, converter.reads, "none", WORDS)
    with pytest.raises(Unsupported, match="computes no text, and of dtype str is color; encode text as numbers"):
        converter.convert(model, {}, tmp_path)


def test_a_folder_that_is_no_saved_model_is_refused_in_openvinos_words(tmp_path: Path) -> None:
    numbers = Signature((TensorSpec("x", "float32", ("batch", 2)),), (TensorSpec("y", "float32", ("batch", 2)),))
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(Unsupported, match="OpenVINO cannot convert the SavedModel: "):
        saved_model_to_openvino.convert(Artifact(tmp_path, "saved_model", "none", numbers), {}, tmp_path)
