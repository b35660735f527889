"""The Hugging Face container: multi-model-server with sagemaker-huggingface-inference-toolkit; PyTorch is in it.

Its own handler wants a checkpoint of transformers; what was converted and quantized is served by `code/inference.py`.
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact
from optimize.bundles.handler_functions import open_handler
from optimize.bundles.layout import HANDLED, TORCH, link_files, write_handler, write_requirements
from optimize.signature import Signature
from optimize.stages import Service, ServingSettings

container = "huggingface"
formats = (*TORCH, *HANDLED)
libraries = ("torch", "transformers")
takes_code = True


def lay_out(model: Artifact, settings: ServingSettings, folder: Path) -> None:
    link_files(model.path, folder)
    write_handler(model, settings, folder / "code", "inference_huggingface.py")
    write_requirements(model.format, folder / "code")


def open_folder(folder: Path, signature: Signature) -> Service:
    return open_handler(folder, signature)
