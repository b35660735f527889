"""Further methods of a PyTorch module are signatures of the SavedModel, share its weights, and are judged like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from optimize.artifact import Artifact
from optimize.converters import onnx_to_saved_model
from optimize.errors import Unsupported, UserError
from optimize.execution.run import run
from optimize.signature import Signature
from tests.conftest import Project

TOWERS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.text, self.image = nn.Linear(64, 1024), nn.Linear(64, 1024)

    def encode_text(self, text):
        return self.text(text) * torch.tensor([2.0])

    def encode_image(self, image):
        return {"code": self.image(image), "norm": self.image(image).norm(dim=1)}

    def forward(self, text, image):
        return (self.text(text) * torch.tensor([3.0]) * self.image(image)).sum(1, keepdim=True)
"""
INPUTS = {
    "text": {"dtype": "float32", "shape": ["batch", 64]},
    "image": {"dtype": "float32", "shape": ["batch", 64]},
}
"""Of one shape, and not in the order of their names: told apart by nothing but the name."""
METHODS = {"text": "encode_text", "image": "encode_image"}


def project(torch_project: Project, methods: dict[str, str], **changes: Any) -> Path:
    path = torch_project(TOWERS, INPUTS, **changes)
    pipeline = yaml.safe_load(path.read_text(encoding="utf-8"))
    pipeline["source"]["methods"] = methods
    path.write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    return path


def test_each_is_a_signature_that_shares_the_weights_and_is_right(torch_project: Project) -> None:
    candidates = {"formats": ["saved_model"], "quantization": ["none", "dynamic", "static"]}
    path = project(
        torch_project,
        METHODS,
        candidates=candidates,
        data={"calibration": "rows.npz"},
        tolerances={"int8": {"cosine": 0.999}},
    )
    rng = np.random.default_rng(0)
    rows = {name: rng.standard_normal((64, 64), np.float32) * scale for name, scale in (("text", 100), ("image", 1))}
    np.savez(path.parent / "rows.npz", **rows)
    result = run(path, until="check")
    assert len(result.report.candidates) == 3
    for candidate in result.report.candidates:
        assert candidate.state == "ok", candidate.reason
        assert set(candidate.drift) == {"output", "text.output", "image.code", "image.norm"}
    weights = 2 * 64 * 1024
    sizes = {step.step.name: step.made.size_bytes for step in result.steps if step.step.makes[0] == "saved_model"}
    assert 4 * weights <= sizes["convert:saved_model"] < 4.6 * weights
    assert weights <= sizes["quantize:saved_model-static"] < 1.9 * weights, "each weight once, in whatever it is used"


def test_a_way_that_would_lose_them_is_refused(tmp_path: Path) -> None:
    signature = Signature((), methods={"text": Signature(())})
    with pytest.raises(Unsupported, match=r"main method alone, and source\.methods names text besides"):
        onnx_to_saved_model.convert(Artifact(tmp_path, "onnx", "none", signature), {}, tmp_path)


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
