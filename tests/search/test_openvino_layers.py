"""Layers of an OpenVINO graph are ranked by what quantizing each alone adds, as NNCF has quantized it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimize.artifact import Artifact
from optimize.methods import Task
from optimize.quantizers import openvino_static
from optimize.runtimes.openvino import FILE
from optimize.samples import Samples
from optimize.search.openvino_layers import rank
from optimize.signature import Signature, TensorSpec
from tests.conftest import write_onnx_model
from tests.outlier import write_outlier_cnn

SIGNATURE = Signature((TensorSpec("x", "float32", ("batch", 3, 12, 12)),))
ROWS = np.random.default_rng(0).standard_normal((16, 3, 12, 12)).astype(np.float32)
Ranked = list[dict[str, Any]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("plain")
    write_outlier_cnn(folder / "model.onnx")
    return write(folder, SIGNATURE)


def write(folder: Path, signature: Signature) -> Artifact:
    import openvino

    openvino.save_model(openvino.convert_model(folder / "model.onnx"), folder / FILE, compress_to_fp16=False)
    return Artifact(folder, "openvino", "none", signature)


def ranked(plain: Artifact, folder: Path, rows: np.ndarray[Any, Any] = ROWS, **options: Any) -> Ranked:
    task = Task(openvino_static.method.options(**options), Samples({"x": rows}), {"x": rows[:2]})
    openvino_static.quantize(plain, task, folder)
    quantized = Artifact(folder, "openvino", "static", plain.signature)
    return rank(plain, quantized, [{"x": rows[:8]}, {"x": rows[8:]}], folder)


@pytest.fixture(scope="module")
def everything(plain: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Ranked:
    return ranked(plain, tmp_path_factory.mktemp("everything"))


def test_the_layer_that_reads_the_large_channel_comes_first(everything: Ranked) -> None:
    assert everything[0]["layer"] == "second"
    assert everything[1]["snr_db"] > everything[0]["snr_db"] + 15


def test_every_layer_with_weights_is_ranked_by_the_name_that_leaves_it_in_float(
    plain: Artifact, everything: Ranked, tmp_path: Path
) -> None:
    assert {(row["layer"], row["kind"]) for row in everything} == {
        ("first", "Convolution"), ("second", "Convolution"), ("third", "Convolution"), ("logits", "MatMul"),
    }  # fmt: skip
    rest = ranked(plain, tmp_path, exclude=[everything[0]["layer"]])
    assert {row["layer"] for row in rest} == {"first", "third", "logits"}


def test_what_one_layer_loses_does_not_count_for_the_next(plain: Artifact, everything: Ranked, tmp_path: Path) -> None:
    without = {row["layer"]: row["snr_db"] for row in ranked(plain, tmp_path, exclude=["second"])}
    found = {row["layer"]: row["snr_db"] for row in everything}
    assert abs(without["third"] - found["third"]) < 1 and abs(without["logits"] - found["logits"]) < 1


def test_it_does_not_where_nncf_has_scaled_what_the_next_one_reads_either(tmp_path: Path) -> None:
    """As it does in transformers, by a multiplication that the float graph has not."""
    write_onnx_model(tmp_path / "model.onnx")
    rows = np.random.default_rng(0).standard_normal((64, 16)).astype(np.float32)
    model = write(tmp_path, Signature((TensorSpec("x", "float32", ("batch", 16)),)))
    found = []
    for excluded in ([], ["first"]):
        folder = tmp_path / f"{len(excluded)}"
        folder.mkdir()
        ranking = ranked(model, folder, rows, exclude=excluded, transformer=True)
        assert "smooth_quant" in (folder / FILE).read_text()
        found.append({row["layer"]: row["snr_db"] for row in ranking})
    assert "first" in found[0] and "first" not in found[1]
    assert abs(found[0]["logits"] - found[1]["logits"]) < 0.2, found
