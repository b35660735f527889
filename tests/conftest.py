"""Small real projects: a pipeline file, a model and its data in a folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.digits import Digits, copy_example

ROOT = Path(__file__).resolve().parent.parent

Project = Callable[..., Path]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


def write_onnx_model(path: Path, seed: int = 0) -> None:
    """x: float32[batch, 16] -> logits: float32[batch, 4], two layers, classes that the labels follow."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    weights = {
        "w1": rng.standard_normal((16, 32)).astype(np.float32) / 4,
        "b1": np.zeros(32, np.float32),
        "w2": rng.standard_normal((32, 4)).astype(np.float32) / 4,
        "b2": np.zeros(4, np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h0"], "first"),
        helper.make_node("Add", ["h0", "b1"], ["h1"], "first_bias"),
        helper.make_node("Relu", ["h1"], ["h2"], "relu"),
        helper.make_node("MatMul", ["h2", "w2"], ["h3"], "second"),
        helper.make_node("Add", ["h3", "b2"], ["logits"], "second_bias"),
    ]
    graph = helper.make_graph(
        nodes, "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, path)


def onnx_answers(path: Path, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers: np.ndarray[Any, Any] = session.run(None, {"x": x})[0]
    return answers


@pytest.fixture
def onnx_project(tmp_path: Path) -> Project:
    """A project with an ONNX source, whose runs load nothing heavier than ONNX Runtime."""

    def make(**changes: Any) -> Path:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        write_onnx_model(folder / "model.onnx")
        rng = np.random.default_rng(1)
        x = rng.standard_normal((64, 16)).astype(np.float32)
        labels = onnx_answers(folder / "model.onnx", x).argmax(1)
        np.savez(folder / "evaluation.npz", x=x, label=labels)
        np.savez(folder / "calibration.npz", x=rng.standard_normal((32, 16)).astype(np.float32))
        pipeline: dict[str, Any] = {
            "name": "small",
            "source": {"kind": "onnx", "file": "model.onnx"},
            "data": {"calibration": "calibration.npz", "evaluation": "evaluation.npz"},
            "candidates": {"formats": ["onnx"], "quantization": ["none", "dynamic"]},
            "benchmark": {"processes": 3, "budget_s": 0.5},
            "tolerances": {"int8": {"cosine": 0.9}},
        }
        pipeline |= changes
        path = folder / "pipeline.yaml"
        path.write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
        return path

    return make


TORCH_MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, x):
        return self.layers(x)
"""


@pytest.fixture
def torch_project(tmp_path: Path) -> Project:
    """A project with a PyTorch source. `model` is the text of model.py, which must define Net."""

    def make(model: str = TORCH_MODEL, inputs: dict[str, Any] | None = None, **changes: Any) -> Path:
        import subprocess

        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "model.py").write_text(model, encoding="utf-8")
        save = (
            "import torch; torch.manual_seed(0); from model import Net; from safetensors.torch import save_file; "
            "save_file(Net().state_dict(), 'weights.safetensors')"
        )
        subprocess.run([sys.executable, "-c", save], cwd=folder, check=True)
        pipeline: dict[str, Any] = {
            "name": "small",
            "source": {
                "kind": "pytorch", "factory": "model.py:Net", "weights": "weights.safetensors",
                "inputs": inputs or {"x": {"dtype": "float32", "shape": ["batch", 4]}},
            },
            "candidates": {"formats": ["torchscript"], "quantization": ["none"]},
            "benchmark": {"processes": 3, "budget_s": 0.5},
        }  # fmt: skip
        pipeline |= changes
        path = folder / "pipeline.yaml"
        path.write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
        return path

    return make


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """The example after its first run, all nine candidates."""
    example = copy_example(ROOT, tmp_path_factory.mktemp("digits"))
    first = example.run("--quiet")
    (example.folder / "first.json").write_text(json.dumps(first))
    return example
