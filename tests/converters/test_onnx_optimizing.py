"""A graph that was optimized offline is ONNX as before, and what is made of it starts from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from optimize.converters.onnx_optimizing import optimize_graph
from optimize.execution.run import run
from optimize.runtimes.onnx import FILE
from tests.conftest import Project, onnx_answers
from tests.sources.test_onnx import write_large_model


def write_model(path: Path) -> None:
    """x: float32[batch, 64] times a weight that the graph itself computes; the constants lie beside the file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    held = [numpy_helper.from_array(rng.standard_normal((64, 64)).astype(np.float32), name) for name in ("u", "v")]
    nodes = [
        helper.make_node("MatMul", ["u", "v"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Identity", ["h"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 64]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "two", values[:1], values[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path, save_as_external_data=True, location=f"{FILE}.data", size_threshold=0)


def test_constants_are_folded_and_versions_names_and_weights_beside_the_file_are_kept(tmp_path: Path) -> None:
    import onnx

    write_model(tmp_path / FILE)
    x = np.random.default_rng(1).standard_normal((5, 64)).astype(np.float32)
    before = onnx_answers(tmp_path / FILE, x)
    optimize_graph(tmp_path / FILE)
    model = onnx.load(tmp_path / FILE, load_external_data=False)
    assert [node.op_type for node in model.graph.node] == ["MatMul"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert model.ir_version == 8
    assert {path.name for path in tmp_path.iterdir()} == {FILE, f"{FILE}.data"}
    assert (tmp_path / f"{FILE}.data").stat().st_size >= 64 * 64 * 4 > (tmp_path / FILE).stat().st_size
    np.testing.assert_allclose(onnx_answers(tmp_path / FILE, x), before, rtol=1e-5, atol=1e-4)


def test_quantizers_take_the_optimized_graph_and_the_report_says_that_it_is(onnx_project: Project) -> None:
    methods = ["none", "dynamic", "static"]
    candidates = {"formats": ["onnx"], "quantization": methods, "options": {"onnx-none": {"optimize": True}}}
    result = run(onnx_project(candidates=candidates), until="check")
    assert {candidate.name: candidate.state for candidate in result.report.candidates} == {
        f"onnx-{method}": "ok" for method in methods
    }
    (made,) = (step for step in result.steps if step.step.name == "convert:onnx")
    assert made.payload["method"] == "the source's own graph, opset 20, optimized"


def test_optimizing_a_model_with_weights_beside_it_takes_its_size_in_memory_and_no_more(tmp_path: Path) -> None:
    write_large_model(tmp_path / "model.onnx", 0.3)
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(1).standard_normal((4, 1024)).astype(np.float32))
    pipeline = {
        "name": "large", "source": {"kind": "onnx", "file": "model.onnx"}, "data": {"calibration": "rows.npz"},
        "candidates": {
            "formats": ["onnx"], "quantization": ["none"], "options": {"onnx-none": {"optimize": True}},
        },
    }  # fmt: skip
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(pipeline))
    result = run(tmp_path / "pipeline.yaml", until="convert")
    (step,) = (step for step in result.steps if step.step.name == "convert:onnx")
    assert step.state == "ok", step.reason
    assert (step.made.files / f"{FILE}.data").stat().st_size >= 0.299e9
    assert 0.3e9 < step.made.record["peak_bytes"] < 0.1e9 + 1.3 * 0.3e9
    for large in tmp_path.rglob("*"):
        if large.suffix in (".bin", ".data"):
            large.unlink()
