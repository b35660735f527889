"""A SavedModel whose weights are stored as 8-bit integers, made from an ATen graph: a quarter of the bytes.

The arithmetic stays in floating point: the integers become floats once, when the model is loaded. So it is as fast as
the model at its own precision, takes its memory and a quarter more, and drifts by the rounding of the weights alone.
"""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.runtimes.lean_tensorflow import leave_keras_out
from optimize.samples import Samples

reads = "aten_graph"
makes = "saved_model"
quantization = "dynamic"
libraries = ("tensorflow-cpu", "tensorflow")


def quantize(model: Artifact, calibration: Samples | None, examples: Arrays, output: Path) -> Made:
    leave_keras_out()
    from optimize.converters.aten_graph_to_saved_model.integers import Integers
    from optimize.converters.aten_graph_to_saved_model.saving import save

    weights = Integers()
    save(model.path, model.signature, weights, output)
    return Made(
        "weight-only int8, symmetric per channel, restored to floating point when loaded; computed in floating point",
        (f"{weights.count} weights stored as integers",),
    )
