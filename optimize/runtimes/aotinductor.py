"""A package of AOTInductor's: machine code, loaded without the compiler that made it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.runtimes.torchscript import prepare as prepare
from optimize.stages import RuntimeSettings

reads = "aotinductor"
libraries = ("torch",)
FILE = "model.pt2"
ANY_DEVICE = -1


def read(model: Artifact) -> Any:
    import torch

    # torch's own `aoti_load_package` imports the compiler first, which takes ten times as long as loading.
    with _passing_folder():
        return torch._C._aoti.AOTIModelPackageLoader(str(model.path / FILE), "model", False, 1, ANY_DEVICE)


@contextmanager
def _passing_folder() -> Iterator[None]:
    """What the loader unpacks goes as soon as it is loaded: torch removes it when the model is let go of, which a
    process that is killed never does, and each would leave a folder of the model's size behind."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("TMPDIR")
            os.environ.update({"TMPDIR": before} if before else {})


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> PackageSession:
    return PackageSession(loaded, model)


class PackageSession:
    def __init__(self, package: Any, model: Artifact) -> None:
        import torch

        self._torch = torch
        self._package = package
        self._inputs = model.signature.input_names
        self._outputs = model.signature.output_names
        self.threads: int | None = torch.get_num_threads()

    def run(self, inputs: Arrays) -> Arrays:
        with self._torch.inference_mode():
            tensors = self._package.run([self._torch.from_numpy(inputs[name]) for name in self._inputs])
        return {name: tensor.numpy() for name, tensor in zip(self._outputs, tensors, strict=True)}
