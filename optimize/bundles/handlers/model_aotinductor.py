"""`model.pt2`, a package of AOTInductor's: machine code, loaded without the compiler that made it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from bundle_torch import to_arrays, to_tensors
from bundle_wire import Arrays, Settings

FILE = "model.pt2"
WRONG_VALUES = (RuntimeError,)
ANY_DEVICE = -1


class Model:
    """Torch's own `aoti_load_package` would import the compiler, which takes ten times as long as loading."""

    def __init__(self, path: Path, settings: Settings, threads: int) -> None:
        torch.set_num_threads(threads)
        self._settings = settings
        self._package = _load(path)

    def run(self, inputs: Arrays) -> Arrays:
        with torch.inference_mode():
            return to_arrays(self._package.run(to_tensors(inputs, self._settings)), self._settings)


def _load(path: Path) -> torch._C._aoti.AOTIModelPackageLoader:
    """What the loader unpacks goes as soon as it is loaded: torch removes it when the model is let go of, which a
    worker that is killed never does."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        try:
            return torch._C._aoti.AOTIModelPackageLoader(str(path), "model", False, 1, ANY_DEVICE)
        finally:
            os.environ.pop("TMPDIR")
            os.environ.update({"TMPDIR": before} if before else {})
