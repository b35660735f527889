"""TorchScript to an exported program: the way of a branch on data, which can be scripted and torch.export refuses.

The script is translated to ATen operators, its branches to `torch.cond`, and exported.
"""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import pytorch_to_exported_program
from optimize.runtimes import torchscript as runtime

reads = "torchscript"
makes = "exported_program"
libraries = ("torch",)


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    from optimize.sources.torchscript import translate

    module = translate(runtime.read(model).eval(), model.signature)
    return pytorch_to_exported_program.save(module, model.signature, examples, output)
