"""Static int8 in LiteRT: weights and activations in int8, calibrated.

What LiteRT has no int8 operator for stays in float. Inputs and outputs stay as the signature has them.
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.converters.saved_model_to_litert import load_tensorflow, write
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.quantizers.litert_dynamic import count_integers

reads = "saved_model"
makes = "litert"
method = Method("static", precision="int8", calibrated=True)
libraries = ("tensorflow-cpu", "tensorflow", "ai-edge-litert")
BATCH = 8


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    lite = load_tensorflow().lite
    batches = whole_batches(model.signature, task.rows, BATCH)
    options = {"optimizations": [lite.Optimize.DEFAULT], "representative_dataset": lambda: iter(batches)}
    interpreter = write(model, task.examples, output, options)
    rows = len(task.rows)
    return Made(f"TFLiteConverter, calibrated on {rows} rows; {count_integers(interpreter)} tensors in int8")
