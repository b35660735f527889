"""An exported program as the user has it, taken into the store."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import pytorch_to_exported_program

reads = "exported_program"
makes = "exported_program"
libraries = ("torch",)


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    """The file itself where it takes and gives plain tensors; else it is exported again."""
    from optimize.sources.exported_program import read

    if not _is_plain(read(model)):
        again = pytorch_to_exported_program.convert(model, examples, output)
        return Made(f"the source's own graph, inputs and outputs made flat; {again.method}", again.notes)
    shutil.copyfile(model.path / model.options["file"], output / pytorch_to_exported_program.FILE)
    return Made("the source's own program")


def _is_plain(program: Any) -> bool:
    """Tensors by position in; one tensor or a tuple of tensors out."""
    import torch

    positional, keywords = program.call_spec.in_spec.children()
    out = program.call_spec.out_spec
    flat_in = not keywords.num_children and positional.num_children == positional.num_leaves
    flat_out = out.is_leaf() or (out.type is tuple and out.num_children == out.num_leaves)
    tensors = {node.name for node in program.graph.nodes if isinstance(node.meta.get("val"), torch.Tensor)}
    return bool(flat_in and flat_out and set(program.graph_signature.user_outputs) <= tensors)
