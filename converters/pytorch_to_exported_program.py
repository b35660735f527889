"""PyTorch to an exported program: torch.export's graph with its weights, saved by `torch.export.save`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.exporting import export
from optimize.converters.traceable_layers import recur_by_aten
from optimize.signature import Signature

reads = "pytorch"
makes = "exported_program"
libraries = ("torch",)
FILE = "model.pt2"


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    from optimize.sources.modules import load_module

    return save(load_module(model), model.signature, examples, output)


def save(module: Any, signature: Signature, examples: Arrays, output: Path) -> Made:
    """The program takes the signature's inputs by position and gives a flat tuple of its outputs, or the one tensor."""
    import torch

    exported = export(module, signature, examples, finish=recur_by_aten)
    torch.export.save(exported.program, output / FILE)
    return Made(f"torch.export ({exported.how})", exported.notes)
