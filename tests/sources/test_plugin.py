"""A kind of source that a third party adds by entry points, with its converters: one that fails, and one after it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.plugins import install_package

SOURCE = '''
"""A matrix in a text file: y = x @ matrix."""

from typing import Literal

import numpy as np

from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources.base import SourceOptions

kind = "matrix"
libraries = ("numpy",)
read_as = ()


class Options(SourceOptions):
    kind: Literal["matrix"] = "matrix"
    file: str

    def paths(self):
        return {"file": self.file}


def prepare(settings):
    pass


def read(model):
    try:
        return np.loadtxt(model.path / model.options["file"], dtype=np.float32)
    except ValueError as error:
        raise UserError(f"{model.options['file']} is not a matrix: {error}", "source.file") from error


def open(loaded, model, settings):
    return Matrix(loaded)


class Matrix:
    threads = None

    def __init__(self, matrix):
        self.matrix = matrix
        self.signature = Signature((TensorSpec("x", "float32", ("batch", len(matrix))),))

    def run(self, inputs):
        return {"y": inputs["x"] @ self.matrix}
'''
CONVERTER = """
from optimize.artifact import Made

reads, makes, libraries = "matrix", "onnx", ("onnx",)


def convert(model, examples, output):
    {body}
"""
MAKES = """
    import onnx, matrix_source
    from onnx import TensorProto, helper, numpy_helper
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "matrix",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", None])],
        [numpy_helper.from_array(matrix_source.read(model), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), output / "model.onnx")
    return Made("written by hand")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package, folder = tmp_path / "package", tmp_path / "project"
    package.mkdir()
    folder.mkdir()
    modules = {
        "matrix_source": SOURCE,
        "early": CONVERTER.format(body="raise ValueError('too early')"),
        "late": CONVERTER.format(body=MAKES.strip()),
    }
    points = {
        "sources": {"matrix": "matrix_source"},
        "converters": {"matrix_to_onnx_1": "early", "matrix_to_onnx_2": "late"},
    }
    install_package(package, modules, points, monkeypatch)
    np.savetxt(folder / "matrix.txt", np.random.default_rng(0).standard_normal((6, 3)))
    pipeline: dict[str, Any] = {
        "name": "plugged", "source": {"kind": "matrix", "file": "matrix.txt"},
        "candidates": {"formats": ["onnx"], "quantization": ["none"]},
    }  # fmt: skip
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(pipeline))
    return path


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimize", "run", str(path), "--until", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_source_of_a_third_party_goes_by_the_second_converter_where_the_first_fails(project: Path) -> None:
    done = run(project)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((project.parent / "build" / "report.json").read_text())
    (candidate,) = report["candidates"]
    assert (candidate["state"], candidate["converter"]) == ("ok", "matrix_to_onnx_2")
    assert candidate["tried"] == ["matrix_to_onnx_1: failed: ValueError: too early"]
    assert candidate["drift"]["y"]["max_abs"] < 1e-5


def test_where_every_path_fails_each_is_tried_once(project: Path) -> None:
    for name in ("early", "late"):
        body = f"(model.path / 'tried').open('a').write('{name} ')\n    raise ValueError('{name}')"
        (project.parents[1] / "package" / f"{name}.py").write_text(CONVERTER.format(body=body))
    done = run(project)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (project.parent / "tried").read_text().split() == ["early", "late"]
    (candidate,) = json.loads((project.parent / "build" / "report.json").read_text())["candidates"]
    assert candidate["state"] == "failed"
    assert {"ValueError: early", "ValueError: late"} <= {
        candidate["reason"],
        *(t.split(": ", 2)[2] for t in candidate["tried"]),
    }


def test_its_options_and_its_errors_are_told_like_any_others(project: Path) -> None:
    (project.parent / "matrix.txt").write_text("not a matrix")
    done = run(project)
    assert done.returncode == 2 and "matrix.txt is not a matrix" in done.stderr
    done = run(project, "-o", "source.fil=x")
    assert done.returncode == 2 and "fil" in done.stderr and "Traceback" not in done.stderr
