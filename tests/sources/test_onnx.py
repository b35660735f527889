"""ONNX files that are not as they should be, and one that is larger than memory should grow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.execution.run import run
from optimize.signature import Signature
from optimize.sources import onnx as source
from optimize.sources.onnx_files import external_files
from optimize.stages import RuntimeSettings
from tests.conftest import Project, write_onnx_model


def write(path: Path, opset: int = 20, ir: int = 9, operator: str = "Relu", domain: str = "", width: int = 3) -> None:
    from onnx import TensorProto, helper, save

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in "xy"]
    node = helper.make_node(operator, ["x"], ["y"], "node", domain=domain)
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    graph = helper.make_graph([node], "graph", values[:1], values[1:])
    save(helper.make_model(graph, opset_imports=opsets, ir_version=ir), path)


def message_of(action: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as raised:
        action()
    assert raised.value.key == "source.file"
    return str(raised.value)


def opened(path: Path) -> Any:
    model = Artifact(path.parent, "onnx", "none", Signature(()), {"file": path.name})
    return source.open(source.read(model), model, RuntimeSettings())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"operator": "Frobnicate", "domain": "com.acme"},
            r"uses the operator com.acme:Frobnicate, which ONNX Runtime",
        ),
        ({"operator": "Frobnicate"}, r"uses the operator Frobnicate, which ONNX Runtime"),
        ({"opset": 99}, r"is written in opset 99, and ONNX Runtime [\d.]+ reads up to opset \d+; export it with"),
        ({"ir": 99}, r"has IR version 99, and ONNX Runtime [\d.]+ reads up to \d+; save it again with"),
        ({"width": 0}, r"input x has the shape \['batch', 0\]"),
    ],
)
def test_what_the_runtime_does_not_take_is_named_with_what_it_takes(file: Path, options: Any, said: str) -> None:
    write(file, **options)
    message = message_of(lambda: opened(file).signature)
    assert re.search(said, message), message


def test_a_file_cut_anywhere_between_its_parts_is_not_whole(file: Path) -> None:
    write_onnx_model(file)
    whole = file.read_bytes()
    for length in (5, len(whole) // 3, len(whole) - 7):
        file.write_bytes(whole[:length])
        assert "is not a whole ONNX model: it ends at byte" in message_of(lambda: external_files(file))
    file.write_bytes(b"")
    assert "is empty" in message_of(lambda: external_files(file))
    file.write_bytes(b"\x7fsomething else altogether")
    assert "begins no field" in message_of(lambda: external_files(file))


def with_external_data(file: Path, location: str) -> None:
    import onnx

    write_onnx_model(file)
    model = onnx.load(file)
    (file.parent / location).parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file, save_as_external_data=True, location=location, size_threshold=0)


def test_the_files_of_the_weights_are_read_from_the_model(file: Path) -> None:
    with_external_data(file, "weights/part.bin")
    (file.parent / "model.onnx.data").write_bytes(b"of another model")
    assert external_files(file) == (file.parent / "weights/part.bin",)
    write_onnx_model(file)
    assert external_files(file) == ()


def test_weights_that_are_not_there_are_named(file: Path) -> None:
    with_external_data(file, "part.bin")
    (file.parent / "part.bin").unlink()
    assert "keeps weights in part.bin, which is not there" in message_of(lambda: external_files(file))


def test_weights_that_are_cut_short_are_named_with_what_the_model_reads(file: Path) -> None:
    with_external_data(file, "part.bin")
    weights = file.parent / "part.bin"
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:-1])
    said = message_of(lambda: external_files(file))
    assert f"part.bin, which is cut short: it has {size - 1} bytes, and the model reads {size}; copy that file" in said


def test_weights_elsewhere_on_the_machine_are_not_followed(file: Path) -> None:
    with_external_data(file, "part.bin")
    file.write_bytes(file.read_bytes().replace(b"part.bin", b"../a.bin"))
    assert "which is not beside it" in message_of(lambda: external_files(file))


def test_a_model_with_external_data_is_adopted_whole(onnx_project: Project) -> None:
    path = onnx_project(candidates={"formats": ["onnx"], "quantization": ["none"]})
    with_external_data(path.parent / "model.onnx", "weights/part.bin")
    (candidate,) = run(path, until="check").report.candidates
    assert candidate.state == "ok", candidate.reason


GIGABYTES = 2.2


def write_large_model(file: Path, gigabytes: float = GIGABYTES) -> None:
    """One product with a matrix of that size, whose pages are written a little at a time."""
    from onnx import TensorProto, helper, save

    rows, columns = 1024, int(gigabytes * 1e9 / 4 / 1024)
    block = np.random.default_rng(0).standard_normal((16, columns)).astype(np.float32)
    with (file.parent / "large.bin").open("wb") as data:
        for _ in range(rows // 16):
            data.write(block.data)
    weight = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[rows, columns], data_location=TensorProto.EXTERNAL
    )
    weight.external_data.add(key="location", value="large.bin")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["wide"]),
        helper.make_node("ReduceMax", ["wide"], ["y"], axes=[1], keepdims=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", rows])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "large", [x], [y], [weight])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)


@pytest.mark.slow
def test_adopting_a_model_of_two_gigabytes_takes_no_memory_for_its_weights(tmp_path: Path) -> None:
    write_large_model(tmp_path / "model.onnx")
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(1).standard_normal((4, 1024)).astype(np.float32))
    pipeline = {
        "name": "large", "source": {"kind": "onnx", "file": "model.onnx"}, "data": {"calibration": "rows.npz"},
        "candidates": {"formats": ["onnx"], "quantization": ["none"]},
    }  # fmt: skip
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(pipeline))
    try:
        result = run(tmp_path / "pipeline.yaml", until="convert")
        assert [step.state for step in result.steps] == ["ok", "ok"]
        records = [json.loads(p.read_text()) for p in (tmp_path / ".optimize" / "store").glob("*/*/*/record.json")]
        peaks = {record["module"].rpartition(".")[2]: record["peak_bytes"] for record in records}
        assert peaks["onnx_file"] < 0.3e9, peaks
        assert peaks["onnx"] < 1.6 * GIGABYTES * 1e9, peaks
    finally:
        for large in [*tmp_path.rglob("large.bin")]:
            large.unlink()
