"""Layers are ranked by what quantizing each alone adds, on a model whose weak place is known."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.artifact import Artifact
from optimize.quantizers.onnx_tools.graph import prepare
from optimize.search.onnx_layers import rank
from optimize.signature import Signature
from tests.outlier import write_outlier_cnn


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    folder = tmp_path_factory.mktemp("layers")
    rows = np.random.default_rng(0).standard_normal((16, 3, 12, 12)).astype(np.float32)

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = [{"x": rows}]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self._left.pop() if self._left else None

    for name in ("model", "quantized"):
        (folder / name).mkdir()
    write_outlier_cnn(folder / "model" / "model.onnx")
    quantize_static(
        prepare(folder / "model" / "model.onnx", folder), folder / "quantized" / "model.onnx", Reader(),
        per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv"],
    )  # fmt: skip
    plain, quantized = (Artifact(folder / name, "onnx", "", Signature(())) for name in ("model", "quantized"))
    return rank(plain, quantized, [{"x": rows[:8]}, {"x": rows[8:]}], folder)


def test_the_layers_about_the_large_channel_come_first(ranked: list[dict[str, object]]) -> None:
    assert {row["layer"] for row in ranked[:2]} == {"first", "second"}
    assert ranked[2]["layer"] == "third"
    assert float(str(ranked[2]["snr_db"])) > float(str(ranked[1]["snr_db"])) + 15


def test_only_layers_with_weights_of_their_own_are_ranked(ranked: list[dict[str, object]]) -> None:
    assert {row["kind"] for row in ranked} == {"Conv"}
