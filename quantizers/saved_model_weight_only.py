"""A SavedModel whose weights are stored as 8-bit integers, made from an ATen graph: a quarter of the bytes.

The arithmetic stays in floating point: the integers become floats once, when the model is loaded. So it is as fast as
the model at its own precision, takes its memory and a quarter more, and drifts by the rounding of the weights alone.
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.methods import Method, Task
from optimize.runtimes.lean_tensorflow import leave_keras_out

reads = "aten_graph"
makes = "saved_model"
method = Method("dynamic", precision="int8")
libraries = ("tensorflow-cpu", "tensorflow")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    leave_keras_out()
    from optimize.converters.aten_graph_to_saved_model.integers import Integers
    from optimize.converters.aten_graph_to_saved_model.saving import save

    weights = Integers()
    save(model.path, model.signature, weights, output)
    return Made(
        "weight-only int8, symmetric per channel, restored to floating point when loaded; computed in floating point",
        (f"{weights.count} weights stored as integers",),
    )
