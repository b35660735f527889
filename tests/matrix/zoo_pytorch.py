"""PyTorch modules, built from code or from configurations, with seeded weights."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.matrix.case import NOT_COMPILED, Case

ROWS = {"x": {"dtype": "float32", "shape": ["batch", 8]}}
STEPS = {"x": {"dtype": "float32", "shape": ["batch", "sequence", 8]}}
IMAGE = {"image": {"dtype": "float32", "shape": ["batch", 3, 32, 32]}}
PIXELS = {"pixel_values": {"dtype": "float32", "shape": ["batch", 3, 32, 32]}}
TOKENS = {"tokens": {"dtype": "int64", "shape": ["batch", "sequence"]}}
ONE_ROW = {"tokens": {"dtype": "int64", "shape": [1, "sequence"]}}
TEXT = {
    "input_ids": {"dtype": "int64", "shape": ["batch", "sequence"]},
    "attention_mask": {"dtype": "int64", "shape": ["batch", "sequence"]},
}
TYPES = {
    "tokens": {"dtype": "int64", "shape": ["batch", "sequence"]},
    "mask": {"dtype": "bool", "shape": ["batch", "sequence"]},
    "weights": {"dtype": "float16", "shape": ["batch", "sequence"]},
}
BOTH = {
    "image": {"dtype": "float32", "shape": ["batch", 4, 4]},
    "table": {"dtype": "float32", "shape": ["batch", 6]},
}


def module(folder: Path, name: str, inputs: dict[str, Any], **source: Any) -> dict[str, Any]:
    """Write the factory `name` of torch_models.py with its weights; data drawn so that no output is constant."""
    import numpy as np
    import torch
    from safetensors.torch import save_model

    from tests.matrix import torch_models

    shutil.copy(torch_models.__file__, folder / "model.py")
    torch.manual_seed(0)
    made = getattr(torch_models, name)(**source.get("arguments", {}))
    _spread(made)
    save_model(made, str(folder / "weights.safetensors"))
    rng = np.random.default_rng(0)
    rows = {key: _rows(rng, spec["dtype"], spec["shape"]) for key, spec in inputs.items()}
    if "attention_mask" in rows:
        rows["attention_mask"][:] = 1
    np.savez(folder / "rows.npz", **rows)
    described = {"kind": "pytorch", "factory": f"model.py:{name}", "weights": "weights.safetensors", "inputs": inputs}
    return {"source": described | source, "data": {"calibration": "rows.npz"}}


def _rows(rng: Any, dtype: str, shape: list[int | str]) -> Any:
    sizes = (8, *(12 if isinstance(d, str) else d for d in shape[1:]))
    if dtype.startswith("float"):
        return rng.standard_normal(sizes).astype(dtype)
    return rng.integers(0, 2 if dtype == "bool" else 10, sizes).astype(dtype)


def _spread(made: Any) -> None:
    """Running statistics of batch normalization as after some training, not those of a fresh layer."""
    import torch

    for layer in made.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)


def case(title: str, name: str, inputs: dict[str, Any], **source: Any) -> Case:
    return Case(title, "pytorch", "tests.matrix.zoo_pytorch:module", {"name": name, "inputs": inputs, **source})


CASES = (
    case("MLP", "mlp", ROWS),
    replace(case("CNN with batch norm", "cnn", IMAGE), quantization=("none", "dynamic", "static")),
    replace(case("ResNet-50", "resnet50", PIXELS), repeated=NOT_COMPILED),
    replace(case("ViT", "vit", PIXELS), repeated=NOT_COMPILED),
    case("BERT", "bert", TEXT, dimensions={"sequence": [2, 64]}),
    case("GPT-2", "gpt2", TEXT, dimensions={"sequence": [2, 64]}),
    case("LSTM tagger", "Tagger", TOKENS),
    case("LSTM tagger, a batch of one", "Tagger", ONE_ROW),
    case("two inputs, dict output", "TwoInputs", BOTH),
    case("tied weights", "Tied", TOKENS),
    case("data-dependent branch", "Branching", ROWS),
    case("left in train mode", "LeftInTraining", ROWS),
    case("int64, bool and float16 inputs", "ManyTypes", TYPES),
    case("an output that is the input", "Untouched", ROWS),
    case("nested outputs, an optional input, a range", "Nested", STEPS, dimensions={"sequence": [2, 16]}),
    case("a layer used twice", "UsedTwice", ROWS),
    case("ten dimensions", "TenDimensions", {"x": {"dtype": "float32", "shape": ["batch", *[2] * 9]}}),
)
