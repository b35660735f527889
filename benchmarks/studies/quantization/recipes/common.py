"""What the recipes share. They run in the peers' environment, where `optimize` is not installed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Job:
    """What a recipe is asked for: see `peers.job`."""

    model: Path
    """The folder that `sources` has written."""
    kind: str
    task: str
    transformer: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    onnx: Path | None
    output: Path

    def rows(self) -> dict[str, Any]:
        with np.load(self.model / "calibration.npz") as file:
            return {name: file[name] for name in self.inputs}

    def samples(self) -> list[dict[str, Any]]:
        """One row each, at batch 1."""
        rows = self.rows()
        return [{name: array[i : i + 1] for name, array in rows.items()} for i in range(len(rows[self.inputs[0]]))]

    def module(self) -> Any:
        """The model in eval mode, inputs by position, one tensor out."""
        import torch

        torch.manual_seed(0)
        return (_folder(self) if self.kind == "huggingface" else _factory(self)).eval()

    def tensors(self, rows: int = 2) -> tuple[Any, ...]:
        import torch

        return tuple(torch.from_numpy(array[:rows].copy()) for array in self.rows().values())


def read_job() -> Job:
    value = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    paths = {key: Path(value[key]) if value[key] else None for key in ("model", "onnx", "output")}
    lists = {key: tuple(value[key]) for key in ("inputs", "outputs")}
    return Job(**{**value, **paths, **lists})


def _folder(job: Job) -> Any:
    import torch
    import transformers

    loaders = {
        "image-classification": "AutoModelForImageClassification",
        "text-classification": "AutoModelForSequenceClassification",
        "feature-extraction": "AutoModel",
    }
    loader = getattr(transformers, loaders[job.task])
    loaded = loader.from_pretrained(job.model / "model", local_files_only=True)
    inputs, outputs = job.inputs, job.outputs

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = loaded

        def forward(self, *tensors: Any) -> Any:
            return self.model(**dict(zip(inputs, tensors, strict=True)))[outputs[0]]

    return Positional()


def _factory(job: Job) -> Any:
    from safetensors.torch import load_file

    sys.path.insert(0, str(job.model))
    import model

    module = next(getattr(model, name) for name in ("DigitsNet", "Classifier") if hasattr(model, name))()
    module.load_state_dict(load_file(job.model / "weights.safetensors"))
    return module
