"""A SavedModel's one signature to ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import onnx_finishing
from optimize.converters.tensorflow_functions import write_onnx
from optimize.runtimes.lean_tensorflow import prepare_environment
from optimize.runtimes.onnx import FILE
from optimize.runtimes.saved_model import SIGNATURE

reads = "saved_model"
makes = "onnx"
libraries = ("tensorflow-cpu", "tensorflow", "tf2onnx", "onnx", "onnxruntime")
options = onnx_finishing.Options


def convert(model: Artifact, examples: Arrays, output: Path, options: onnx_finishing.Options) -> Made:
    prepare_environment()
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model.path))

    def call(*tensors: Any) -> Mapping[str, Any]:
        named = dict(zip(model.signature.input_names, tensors, strict=True))
        outputs: Mapping[str, Any] = loaded.signatures[SIGNATURE](**named)
        return outputs

    return Made(write_onnx(call, model.signature, output / FILE, options))
