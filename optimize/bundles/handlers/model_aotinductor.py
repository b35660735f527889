"""`model.pt2`, a package of AOTInductor's: machine code, loaded without the compiler that made it."""

from __future__ import annotations

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
        self._package = torch._C._aoti.AOTIModelPackageLoader(str(path), "model", False, 1, ANY_DEVICE)

    def run(self, inputs: Arrays) -> Arrays:
        with torch.inference_mode():
            return to_arrays(self._package.run(to_tensors(inputs, self._settings)), self._settings)
