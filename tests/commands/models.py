"""Small projects for the commands' tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from tests.conftest import onnx_answers, write_onnx_model


def onnx_project_in(folder: Path) -> Path:
    """An ONNX source with labelled data; nothing heavier than ONNX Runtime is loaded."""
    write_onnx_model(folder / "model.onnx")
    x = np.random.default_rng(1).standard_normal((64, 16)).astype(np.float32)
    np.savez(folder / "evaluation.npz", x=x, label=onnx_answers(folder / "model.onnx", x).argmax(1))
    pipeline = {
        "name": "small",
        "source": {"kind": "onnx", "file": "model.onnx"},
        "data": {"evaluation": "evaluation.npz"},
        "candidates": {"formats": ["onnx"], "quantization": ["none", "dynamic"]},
        "benchmark": {"processes": 3, "budget_s": 0.5},
        "tolerances": {"int8": {"cosine": 0.9}},
    }
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    return folder
