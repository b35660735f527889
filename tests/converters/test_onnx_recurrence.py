"""Recurrent layers reach ONNX over torch.export with every size free, and nothing but themselves in the graph."""

from __future__ import annotations

from collections import Counter
from typing import Any

from optimize.execution.run import run
from tests.conftest import Project

MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.GRU(4, 5, num_layers=2)
        self.second = nn.LSTM(5, 6, bidirectional=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.second(self.first(x)[0])[0])
"""
INPUTS = {"x": {"dtype": "float32", "shape": ["sequence", "batch", 4]}}


def operators(made: Any) -> Counter[str]:
    import onnx

    return Counter(node.op_type for node in onnx.load(made.made.files / "model.onnx").graph.node)


def test_of_one_direction_its_axis_is_squeezed_and_two_are_joined_without_reading_a_size(
    torch_project: Project,
) -> None:
    path = torch_project(MODEL, INPUTS, candidates={"formats": ["onnx"], "quantization": ["none", "dynamic"]})
    result = run(path, until="check")
    assert [candidate.state for candidate in result.report.candidates] == ["ok", "ok"]
    (made,) = (step for step in result.steps if step.step.name == "convert:onnx")
    assert made.payload["method"].startswith("torch.onnx.export over torch.export")
    found = operators(made)
    assert (found["GRU"], found["LSTM"], found["Squeeze"], found["Reshape"], found["Transpose"]) == (2, 1, 2, 1, 1)
    assert found["Mul"] == 0
