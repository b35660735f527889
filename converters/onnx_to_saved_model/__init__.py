"""An ONNX model as a TensorFlow SavedModel of native operations, dynamic sizes kept."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.runtimes.lean_tensorflow import leave_keras_out

reads = "onnx"
makes = "saved_model"
libraries = ("tensorflow-cpu", "tensorflow", "onnx")


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    leave_keras_out()
    from optimize.converters.onnx_to_saved_model.saving import save

    save(model.path / "model.onnx", model.signature, output)
    return Made("one TensorFlow rule per ONNX operator")


def supported_operators() -> tuple[str, ...]:
    """Every ONNX operator that has a rule, in alphabetical order."""
    from optimize.converters.onnx_to_saved_model.operators import OPERATORS

    return tuple(sorted(OPERATORS))
