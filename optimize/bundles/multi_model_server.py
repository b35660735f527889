"""A container of the user's own, built on sagemaker-inference and multi-model-server: no PyTorch in it.

Its image has the one runtime that the format needs, at the version in the manifest, so that no start of the container
waits for pip.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from optimize.artifact import Artifact
from optimize.bundles.handler_functions import open_handler
from optimize.bundles.layout import HANDLED, link_files, write_handler
from optimize.signature import Signature
from optimize.stages import Service, ServingSettings

container = "multi-model-server"
formats = tuple(HANDLED)
libraries = ("numpy",)
takes_code = True
SERVICE = "bundle_service.py"
"""At the root, where multi-model-server looks for it; an image for multi-model endpoints names it: docs/bundles.md."""


def lay_out(model: Artifact, settings: ServingSettings, folder: Path) -> None:
    link_files(model.path, folder)
    write_handler(model, settings, folder / "code")
    (folder / SERVICE).write_bytes((files("optimize.bundles.handlers") / SERVICE).read_bytes())


def open_folder(folder: Path, signature: Signature) -> Service:
    return open_handler(folder, signature)
