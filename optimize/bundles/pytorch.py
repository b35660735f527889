"""The PyTorch container: TorchServe with sagemaker-pytorch-inference.

Without user code it loads `model.pt` with `torch.jit.load` and serves one float32 input and one output; anything else
is served by `code/inference.py`.
"""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.bundles.handler_functions import HOW, open_handler
from optimize.bundles.layout import HANDLED, link_files, pinned, write_handler
from optimize.runtimes import torchscript
from optimize.signature import Signature
from optimize.stages import RuntimeSettings, Service, ServingSettings

container = "pytorch"
formats = ("torchscript", *HANDLED)
libraries = ("torch",)


def lay_out(model: Artifact, settings: ServingSettings, folder: Path) -> None:
    link_files(model.path, folder)
    if model.format in HANDLED:
        write_handler(model.format, model.signature, settings, folder / "code")
        # The container's image has PyTorch and not this.
        (folder / "code" / "requirements.txt").write_text(pinned(HANDLED[model.format]), encoding="utf-8")
    elif not default_handler_serves(model.signature):
        write_handler("torchscript", model.signature, settings, folder / "code")


def default_handler_serves(signature: Signature) -> bool:
    """Its JSON becomes a float32 tensor, it calls the model with one, and it can encode one."""
    inputs, outputs = signature.inputs, signature.outputs
    return len(inputs) == 1 and inputs[0].dtype == "float32" and len(outputs) == 1


def open_folder(folder: Path, signature: Signature) -> Service:
    if (folder / "code" / "inference.py").is_file():
        return open_handler(folder, signature)
    return DefaultHandler(folder, signature)


class DefaultHandler:
    """What the container's own handler does with `model.pt`, without the server."""

    how = HOW
    forms: tuple[str, ...] = ("npy",)

    def __init__(self, folder: Path, signature: Signature) -> None:
        model = Artifact(folder, "torchscript", "", signature)
        torchscript.prepare(RuntimeSettings())
        self._session = torchscript.open(torchscript.read(model), model, RuntimeSettings())

    def ask(self, inputs: Arrays, form: str) -> Arrays:
        return self._session.run(inputs)
