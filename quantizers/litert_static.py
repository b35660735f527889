"""Static int8 in LiteRT: weights and activations in int8, calibrated.

What LiteRT has no int8 operator for stays in float. Inputs and outputs stay as the signature has them.
"""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.saved_model_to_litert import load_tensorflow, write
from optimize.golden import whole_batches
from optimize.quantizers.litert_dynamic import count_integers
from optimize.samples import Samples

reads = "saved_model"
makes = "litert"
quantization = "static"
libraries = ("tensorflow-cpu", "tensorflow", "ai-edge-litert")
BATCH = 8


def quantize(model: Artifact, calibration: Samples | None, examples: Arrays, output: Path) -> Made:
    if calibration is None:
        raise ValueError("static quantization without calibration data")
    lite = load_tensorflow().lite
    batches = whole_batches(model.signature, calibration, BATCH)
    options = {"optimizations": [lite.Optimize.DEFAULT], "representative_dataset": lambda: iter(batches)}
    interpreter = write(model, examples, output, options)
    rows = len(calibration)
    return Made(f"TFLiteConverter, calibrated on {rows} rows; {count_integers(interpreter)} tensors in int8")
