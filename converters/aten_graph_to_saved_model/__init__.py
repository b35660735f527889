"""An ATen graph (see `pytorch_to_aten_graph`) as a TensorFlow SavedModel of native operations, dynamic sizes kept."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.runtimes.lean_tensorflow import leave_keras_out

reads = "aten_graph"
makes = "saved_model"
libraries = ("tensorflow-cpu", "tensorflow")


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    leave_keras_out()
    from optimize.converters.aten_graph_to_saved_model.saving import Variables, save

    save(model.path, model.signature, Variables(), output)
    return Made("torch.export's graph, one TensorFlow rule per ATen operator")


def supported_operators() -> tuple[str, ...]:
    """Every ATen operator that has a rule, in alphabetical order."""
    from optimize.converters.aten_graph_to_saved_model.operators import OPERATORS

    return tuple(sorted(OPERATORS))
