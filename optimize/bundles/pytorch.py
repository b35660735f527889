"""The PyTorch container: TorchServe with sagemaker-pytorch-inference.

Its own handler would load a `model.pt` too, but answers 500 to what it cannot read, and neither warms up nor measures.
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact
from optimize.bundles.handler_functions import open_handler
from optimize.bundles.layout import HANDLED, TORCH, link_files, write_handler, write_requirements
from optimize.signature import Signature
from optimize.stages import Service, ServingSettings

container = "pytorch"
formats = (*TORCH, *HANDLED)
libraries = ("torch",)
takes_code = True


def lay_out(model: Artifact, settings: ServingSettings, folder: Path) -> None:
    link_files(model.path, folder)
    write_handler(model, settings, folder / "code")
    write_requirements(model.format, folder / "code")


def open_folder(folder: Path, signature: Signature) -> Service:
    return open_handler(folder, signature)
