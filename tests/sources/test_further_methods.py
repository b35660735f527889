"""Further methods of a PyTorch module are signatures of the SavedModel, share its weights, and are judged like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from optimize.errors import UserError
from optimize.execution.run import run
from tests.conftest import Project

TOWERS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.text, self.image = nn.Linear(64, 256), nn.Linear(32, 256)

    def encode_text(self, text):
        return self.text(text) * torch.tensor([2.0])

    def encode_image(self, image):
        return {"code": self.image(image), "norm": self.image(image).norm(dim=1)}

    def forward(self, text, image):
        return (self.text(text) * torch.tensor([3.0]) * self.image(image)).sum(1, keepdim=True)
"""
INPUTS = {
    "text": {"dtype": "float32", "shape": ["batch", 64]},
    "image": {"dtype": "float32", "shape": ["batch", 32]},
}
METHODS = {"text": "encode_text", "image": "encode_image"}


def project(torch_project: Project, methods: dict[str, str], **changes: Any) -> Path:
    path = torch_project(TOWERS, INPUTS, **changes)
    pipeline = yaml.safe_load(path.read_text(encoding="utf-8"))
    pipeline["source"]["methods"] = methods
    path.write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    return path


def test_each_is_a_signature_that_shares_the_weights_and_is_right(torch_project: Project) -> None:
    candidates = {"formats": ["saved_model"], "quantization": ["none", "dynamic"]}
    result = run(project(torch_project, METHODS, candidates=candidates), until="check")
    made = {candidate.name: candidate for candidate in result.report.candidates}
    for candidate in made.values():
        assert candidate.state == "ok", candidate.reason
        assert set(candidate.drift) == {"output", "text.output", "image.code", "image.norm"}
    (step,) = (step for step in result.steps if step.step.name == "convert:saved_model")
    weights = (64 + 32) * 256 * 4
    held = sum(file.stat().st_size for file in (step.made.files / "variables").iterdir())
    assert weights <= held < 1.1 * weights


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ({"text": "encode_txt"}, r"source\.methods\.text: Net has no method encode_txt"),
        (
            {"text": "load_state_dict"},
            r"source\.methods\.text: load_state_dict takes .*, and its parameters must be among .*: text, image",
        ),
        ({"serving_default": "encode_text"}, r"source\.methods: 'serving_default' is no name for a further signature"),
    ],
)
def test_a_method_that_cannot_be_one_says_why(torch_project: Project, methods: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        run(project(torch_project, methods), until="golden")
