"""Why int8 is slower, out of figures; and that the figures are what a real run gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from optimize.artifact import Artifact
from optimize.quantizers import onnx_static
from optimize.quantizers.onnx_tools.graph import prepare
from optimize.search.explaining import instructions, why_slower
from optimize.search.onnx_profile import profile
from optimize.signature import Signature
from optimize.stages import RuntimeSettings
from tests.conftest import write_onnx_model
from tests.quantizers.onnx_models import X, quantize, rows, write_cnn

GIGABYTES = 1e9


def test_a_processor_without_int8_products_is_named_by_what_it_lacks() -> None:
    assert instructions(("avx2", "vnni"), "x86_64", "this machine") == []
    (reason,) = instructions(("avx2",), "x86_64", "this machine")
    assert reason.startswith("no VNNI: this machine has no instruction") and reason.endswith("it has avx2")


def test_what_is_left_unfused_is_counted_and_timed() -> None:
    plain = {"nodes": {"Conv": 2}, "microseconds": {"Conv": 900.0}, "bytes": 1e5}
    quantized = {
        "nodes": {"QLinearConv": 2, "QuantizeLinear": 3, "DequantizeLinear": 2},
        "microseconds": {"QLinearConv": 500.0, "QuantizeLinear": 300.0, "DequantizeLinear": 200.0}, "bytes": 3e4,
    }  # fmt: skip
    reasons = why_slower(plain, quantized, 10 * GIGABYTES)
    assert "5 quantize and dequantize operators are left unfused by ONNX Runtime, and take 50% of the time" in reasons
    assert "int8 in 2 QLinearConv 50%" in reasons[-1]


def test_a_model_at_the_speed_of_the_memory_is_called_memory_bound() -> None:
    plain = {"nodes": {"MatMul": 1}, "microseconds": {"MatMul": 10_000.0}, "bytes": 100e6}
    quantized = {
        "nodes": {"MatMulIntegerToFloat": 1},
        "microseconds": {"MatMulIntegerToFloat": 11_000.0},
        "bytes": 25e6,
    }
    found = [reason for reason in why_slower(plain, quantized, 12 * GIGABYTES) if reason.startswith("memory-bound")]
    assert found == [
        "memory-bound: fp32 goes through its 100.0 MB at 10.0 GB/s where this machine copies at 12.0 GB/s; int8 has 25.0 MB"
    ]
    assert not [r for r in why_slower(plain, quantized, 100 * GIGABYTES) if r.startswith("memory-bound")]


def test_a_tiny_model_is_seen_to_be_too_small_by_what_its_operators_take(tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    models = {}
    for name in ("model", "quantized"):
        (tmp_path / name).mkdir()
        models[name] = Artifact(tmp_path / name, "onnx", "", Signature(()))
    write_onnx_model(tmp_path / "model" / "model.onnx")
    quantize_dynamic(
        prepare(tmp_path / "model" / "model.onnx", tmp_path), tmp_path / "quantized" / "model.onnx",
        weight_type=QuantType.QInt8,
    )  # fmt: skip
    calls = [{"x": np.ones((1, 16), np.float32)}]
    found = profile(models, calls, RuntimeSettings(), tmp_path)
    assert sum(found["quantized"]["nodes"].values()) > 0 and found["copy_bytes_per_s"] > 0
    reasons = why_slower(found["model"], found["quantized"], found["copy_bytes_per_s"])
    assert any(reason.startswith("too small: in fp32") for reason in reasons), reasons


def test_what_a_real_graph_leaves_unfused_is_counted_as_onnx_runtime_runs_it(tmp_path: Path) -> None:
    """Without Relu among the operators, each stands in float between two pairs."""
    import onnx
    import onnxruntime

    write_cnn(tmp_path / "model.onnx")
    quantize(onnx_static, tmp_path, Signature((X,)), rows(8), tmp_path / "made", operators=["Conv"])
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    made = tmp_path / "made" / "files"
    onnxruntime.InferenceSession(str(made / "model.onnx"), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    count = sum(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in nodes)
    plain, quantized = (Artifact(folder, "onnx", "", Signature(())) for folder in (tmp_path, made))
    found = profile({"model": plain, "quantized": quantized}, [rows(1).arrays], RuntimeSettings(), tmp_path)
    reasons = why_slower(found["model"], found["quantized"], found["copy_bytes_per_s"])
    assert count > 2
    assert any(reason.startswith(f"{count} quantize and dequantize operators are left unfused") for reason in reasons)
