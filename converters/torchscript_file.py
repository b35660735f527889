"""TorchScript as the user has it, taken into the store: frozen, inputs by position, outputs a flat tuple."""

from __future__ import annotations

import warnings
from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.pytorch_to_torchscript import FILE, save

reads = "torchscript"
makes = "torchscript"
libraries = ("torch",)


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    import torch

    from optimize.sources.modules import ModuleSource
    from optimize.sources.torchscript import read

    source = ModuleSource(read(model), model.signature)
    tensors = tuple(torch.from_numpy(examples[name]) for name in model.signature.input_names)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # The trace records one call of the script, whose branches and loops stay in it.
        traced = torch.jit.trace(source.positional(model.signature), tensors, check_trace=False, strict=False)
        save(torch.jit.freeze(traced), output / FILE)
    return Made("the source's own script, frozen")
