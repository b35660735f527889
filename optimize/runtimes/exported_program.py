"""An exported program, its graph run operator by operator in PyTorch."""

from __future__ import annotations

from typing import Any

from optimize.artifact import Artifact
from optimize.runtimes.torchscript import TorchScriptSession
from optimize.runtimes.torchscript import prepare as prepare
from optimize.stages import RuntimeSettings

reads = "exported_program"
libraries = ("torch",)
FILE = "model.pt2"


def read(model: Artifact) -> Any:
    import torch

    if model.quantization != "none":
        # Registers the operators of the quantize/dequantize pairs, without which the graph is not read.
        import torch.ao.quantization.fx._decomposed
    return torch.export.load(model.path / FILE)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> TorchScriptSession:
    return TorchScriptSession(loaded.module(), model)
