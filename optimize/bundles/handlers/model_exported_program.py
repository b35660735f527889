"""`model.pt2`, an exported program, its graph run operator by operator in PyTorch."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from bundle_torch import to_arrays, to_tensors
from bundle_wire import Arrays, Settings

FILE = "model.pt2"
WRONG_VALUES = (IndexError, AssertionError)
"""An index out of range; a size that the program was not exported for."""


class Model:
    def __init__(self, path: Path, settings: Settings, threads: int) -> None:
        torch.set_num_threads(threads)
        self._settings = settings
        if settings.quantization != "none":
            # Registers the operators of the quantize/dequantize pairs, without which the graph is not read.
            importlib.import_module("torch.ao.quantization.fx._decomposed")
        self._module = torch.export.load(path).module()

    def run(self, inputs: Arrays) -> Arrays:
        with torch.inference_mode():
            return to_arrays(self._module(*to_tensors(inputs, self._settings)), self._settings)
