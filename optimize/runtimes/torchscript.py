"""TorchScript in libtorch, as `torch.jit.load` gives it."""

from __future__ import annotations

from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.stages import RuntimeSettings

reads = "torchscript"
libraries = ("torch",)
FILE = "model.pt"


def prepare(settings: RuntimeSettings) -> None:
    import torch

    torch.set_num_threads(settings.threads)
    torch.set_num_interop_threads(1)


def read(model: Artifact) -> Any:
    import torch

    return torch.jit.load(model.path / FILE, map_location="cpu")


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> TorchScriptSession:
    return TorchScriptSession(loaded.eval(), model)


class TorchScriptSession:
    def __init__(self, module: Any, model: Artifact) -> None:
        import torch

        self._torch = torch
        self._module = module
        self._inputs = model.signature.input_names
        self._outputs = model.signature.output_names
        self.threads: int | None = torch.get_num_threads()

    def run(self, inputs: Arrays) -> Arrays:
        with self._torch.inference_mode():
            result = self._module(*(self._torch.from_numpy(inputs[name]) for name in self._inputs))
        tensors = (result,) if isinstance(result, self._torch.Tensor) else result
        return {name: tensor.numpy() for name, tensor in zip(self._outputs, tensors, strict=True)}
