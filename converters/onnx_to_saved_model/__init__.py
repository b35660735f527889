"""An ONNX model as a TensorFlow SavedModel of native operations, dynamic sizes kept."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.runtimes.lean_tensorflow import leave_keras_out

reads = "onnx"
makes = "saved_model"
libraries = ("tensorflow-cpu", "tensorflow", "onnx")


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    if model.signature.methods:
        named = ", ".join(model.signature.methods)
        raise Unsupported(f"an ONNX file holds the model's main method alone, and source.methods names {named} besides")
    leave_keras_out()
    from optimize.converters.onnx_to_saved_model.saving import save

    save(model.path / "model.onnx", model.signature, output)
    return Made("one TensorFlow rule per ONNX operator")


def foresee(model: Artifact) -> str:
    """Without TensorFlow: by the table of operators that have a rule."""
    from optimize.converters.onnx_to_saved_model.graph import check_coverage, read_graph
    from optimize.converters.onnx_to_saved_model.operators import OPERATORS

    try:
        check_coverage(read_graph(model.path / model.options["file"], OPERATORS), OPERATORS)
    except Unsupported as error:
        return str(error)
    return ""


def supported_operators() -> tuple[str, ...]:
    """Every ONNX operator that has a rule, in alphabetical order."""
    from optimize.converters.onnx_to_saved_model.operators import OPERATORS

    return tuple(sorted(OPERATORS))
