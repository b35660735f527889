"""A Keras model to ONNX, through the graph that TensorFlow traces of it.

The other way, torch's exporter over Keras' torch backend, fixes the length of recurrent layers that torch has no equal
of, and took 3 to 14 times as long (MobileNetV2: 15 to 66 s against 4.6).
"""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import onnx_finishing
from optimize.converters.tensorflow_functions import write_onnx
from optimize.runtimes.onnx import FILE

reads = "keras"
makes = "onnx"
libraries = ("keras", "tensorflow-cpu", "tensorflow", "tf2onnx", "onnx", "onnxruntime")
options = onnx_finishing.Options


def convert(model: Artifact, examples: Arrays, output: Path, options: onnx_finishing.Options) -> Made:
    from optimize.sources.keras import load_function

    _, function = load_function(model)
    return Made(write_onnx(function, model.signature, output / FILE, options))
