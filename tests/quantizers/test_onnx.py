"""The methods on ONNX graphs give the model's own answers, do what their options say, and say where they do not pay."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optimize.errors import Unsupported, UserError
from optimize.golden import whole_batches
from optimize.quantizers import (
    onnx_dynamic,
    onnx_fp16,
    onnx_int4,
    onnx_smoothquant,
    onnx_static,
    onnx_weight_only,
)
from optimize.quantizers.onnx_tools.qdq import PRODUCTS
from optimize.quantizers.onnx_tools.ranges import find_ranges
from optimize.quantizers.onnx_tools.thresholds import BINS, entropy_range, percentile_range
from optimize.signature import Signature, TensorSpec
from tests.conftest import write_onnx_model
from tests.quantizers.onnx_models import X, answers, cosine, quantize, rows, write_cnn

CNN = Signature((X,))
MLP = Signature((TensorSpec("x", "float32", ("batch", 16)),))
CALIBRATION = ("minmax", "moving_average", "percentile", "entropy")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("cnn", "outlier", "mlp", "old"):
        (folder / name).mkdir()
    write_cnn(folder / "cnn" / "model.onnx")
    write_cnn(folder / "outlier" / "model.onnx", outlier=True)
    write_cnn(folder / "old" / "model.onnx", opset=11)
    write_onnx_model(folder / "mlp" / "model.onnx")
    return folder


def drift(models: Path, name: str, module: ModuleType, output: Path, **options: Any) -> float:
    """Cosine to the float model on other rows than it was calibrated on."""
    if name == "mlp":
        x = np.random.default_rng(2).standard_normal((64, 16)).astype(np.float32)
        quantize(module, models / name, MLP, None, output, **options)
    else:
        x = rows(64, seed=2).arrays["x"]
        quantize(module, models / name, CNN, rows(64), output, **options)
    return cosine(answers(output / "files" / "model.onnx", {"x": x}), answers(models / name / "model.onnx", {"x": x}))


@pytest.mark.parametrize("calibration", CALIBRATION)
def test_static_is_right_by_every_calibration(models: Path, tmp_path: Path, calibration: str) -> None:
    assert drift(models, "cnn", onnx_static, tmp_path, calibration=calibration) > 0.995


@pytest.mark.parametrize("options", [{"per_channel": False}, {"symmetric": True}, {"reduce_range": True}])
def test_static_is_right_with_every_option(models: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    assert drift(models, "cnn", onnx_static, tmp_path, **options) > 0.998


def test_a_graph_of_an_old_operator_set_is_brought_to_a_newer_one(models: Path, tmp_path: Path) -> None:
    assert drift(models, "old", onnx_static, tmp_path) > 0.999


def test_a_loud_channel_that_collapses_per_tensor_is_saved_by_smoothquant(models: Path, tmp_path: Path) -> None:
    assert drift(models, "outlier", onnx_static, tmp_path / "plain", per_channel=False) < 0.99
    assert drift(models, "outlier", onnx_smoothquant, tmp_path / "smooth", per_channel=False) > 0.999


def test_smoothing_alone_changes_nothing(models: Path, tmp_path: Path) -> None:
    import onnx

    from optimize.quantizers.onnx_tools.smoothing import smooth

    model = onnx.load(models / "outlier" / "model.onnx")
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    done = smooth(model, nodes, whole_batches(CNN, rows(16), 8), 0.5, tmp_path)
    onnx.save(model, tmp_path / "smoothed.onnx")
    x = {"x": rows(8, seed=3).arrays["x"]}
    assert (done.folded, done.inserted) == (1, 1)
    np.testing.assert_allclose(
        answers(tmp_path / "smoothed.onnx", x), answers(models / "outlier" / "model.onnx", x), rtol=1e-3, atol=1e-5
    )


def test_ranges_are_those_of_the_tensors_values(models: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(models / "cnn" / "model.onnx")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info("r1"))
    onnx.save(model, tmp_path / "r1.onnx")
    import onnxruntime

    x = rows(30).arrays["x"]
    r1 = onnxruntime.InferenceSession(str(tmp_path / "r1.onnx")).run(["r1"], {"x": x})[0]
    batches = whole_batches(CNN, rows(30), 8)
    assert find_ranges(model, ["r1"], batches, "minmax", 0, tmp_path)["r1"] == (r1.min(), r1.max())
    parts = [r1[start : start + 8] for start in range(0, 30, 8)]
    low, high = find_ranges(model, ["r1"], batches, "moving_average", 0, tmp_path)["r1"]
    assert (low, high) == pytest.approx(
        (np.mean([p.min() for p in parts]), np.mean([p.max() for p in parts])), rel=1e-6
    )
    low, high = find_ranges(model, ["r1"], batches, "percentile", 99, tmp_path)["r1"]
    assert (low, high) == pytest.approx((0, np.percentile(r1, 99)), rel=0.01, abs=0.001)


def test_entropy_and_percentile_leave_an_outlier_out() -> None:
    values = np.append(np.random.default_rng(0).standard_normal(100_000), 40.0)
    counts, _ = np.histogram(values, BINS, (-40, 40))
    extremes = (values.min(), 40.0)
    assert 2 < percentile_range(counts, extremes, 99.9)[1] < 4
    assert 2 < entropy_range(counts, extremes)[1] < 10
    assert percentile_range(counts, extremes, 100) == extremes


def test_weights_keep_to_seven_bits_where_the_target_has_no_vnni(models: Path, tmp_path: Path) -> None:
    largest = {}
    for isa in ((), ("vnni",)):
        made = quantize(onnx_static, models / "cnn", CNN, rows(16), tmp_path / f"{len(isa)}", isa=isa)
        largest[len(isa)] = max(np.abs(w).max() for w in integers(tmp_path / f"{len(isa)}" / "files" / "model.onnx"))
        assert any("no VNNI" in note for note in made.notes) is (not isa)
    assert largest == {0: 64, 1: 127}


def integers(path: Path) -> list[Any]:
    import onnx
    from onnx import TensorProto, numpy_helper

    graph = onnx.load(path).graph
    found = [t for t in graph.initializer if t.data_type == TensorProto.INT8 and len(t.dims) > 1]
    return [numpy_helper.to_array(tensor).astype(int) for tensor in found]


def test_pairs_that_stay_unfused_are_counted_in_a_note(models: Path, tmp_path: Path) -> None:
    fused = quantize(onnx_static, models / "cnn", CNN, rows(16), tmp_path / "fused")
    apart = quantize(onnx_static, models / "cnn", CNN, rows(16), tmp_path / "apart", operators=PRODUCTS)
    assert fused.notes[0] == "ONNX Runtime runs 2 operators in integers, with 1 steps to integers and 1 back"
    assert apart.notes[0].endswith("1 quantize/dequantize pairs stay unfused, each a pass over its tensor")
    assert "weights are quantized: at this size" in fused.notes[1]


@pytest.mark.parametrize("module", [onnx_static, onnx_smoothquant, onnx_dynamic, onnx_weight_only])
def test_a_node_to_exclude_that_does_not_exist_is_refused_with_the_nearest(
    models: Path, tmp_path: Path, module: ModuleType
) -> None:
    name, signature = ("cnn", CNN) if module.method.calibrated else ("mlp", MLP)
    wrong = "/second/Cnv" if module.method.calibrated else "second/MatMul"
    with pytest.raises(UserError, match=f"no .* '{wrong}'; the nearest are /?second") as caught:
        quantize(module, models / name, signature, rows(8), tmp_path, exclude=(wrong,))
    assert caught.value.key == "candidates.options"


def test_an_excluded_node_stays_in_float(models: Path, tmp_path: Path) -> None:
    made = quantize(onnx_static, models / "cnn", CNN, rows(16), tmp_path, exclude=("/second/Conv",))
    assert made.method.endswith("in float: /second/Conv, /fc/Gemm")
    assert len(integers(tmp_path / "files" / "model.onnx")) == 1


@pytest.mark.parametrize(("module", "least"), [(onnx_weight_only, 0.9999), (onnx_int4, 0.98), (onnx_dynamic, 0.999)])
def test_products_of_matrices_are_right_in_few_bits(
    models: Path, tmp_path: Path, module: ModuleType, least: float
) -> None:
    assert drift(models, "mlp", module, tmp_path) > least


def test_float16_halves_the_bytes_and_keeps_the_signature(models: Path, tmp_path: Path) -> None:
    assert drift(models, "cnn", onnx_fp16, tmp_path) > 0.9999
    half, whole = tmp_path / "files" / "model.onnx", models / "cnn" / "model.onnx"
    assert half.stat().st_size < 0.65 * whole.stat().st_size
    assert answers(half, rows(1).arrays).dtype == np.float32


@pytest.mark.parametrize("module", [onnx_weight_only, onnx_int4, onnx_dynamic])
def test_what_a_method_cannot_do_is_unsupported_with_the_reason(
    models: Path, tmp_path: Path, module: ModuleType
) -> None:
    import onnx

    model = onnx.load(models / "cnn" / "model.onnx")
    del model.graph.node[-2:]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("p", onnx.TensorProto.FLOAT, ["batch", 16, 1, 1]))
    (tmp_path / "pooled").mkdir()
    onnx.save(model, tmp_path / "pooled" / "model.onnx")
    with pytest.raises(Unsupported, match=r"constant weights"):
        quantize(module, tmp_path / "pooled", CNN, None, tmp_path / "out")
