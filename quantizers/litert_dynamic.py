"""Dynamic int8 in LiteRT: the converter's default optimization, weights in int8 and activations at run time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.artifact import Artifact, Made
from optimize.converters.saved_model_to_litert import load_tensorflow, write
from optimize.errors import Unsupported
from optimize.methods import Method, Task

reads = "saved_model"
makes = "litert"
method = Method("dynamic", precision="int8")
libraries = ("tensorflow-cpu", "tensorflow", "ai-edge-litert")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    lite = load_tensorflow().lite
    interpreter = write(model, task.examples, output, {"optimizations": [lite.Optimize.DEFAULT]})
    return Made(f"TFLiteConverter, default optimization; {count_integers(interpreter)} tensors in int8")


def count_integers(interpreter: Any) -> int:
    """Raises Unsupported where there are none."""
    count = [tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()].count("int8")
    if not count:
        raise Unsupported("TensorFlow's converter left every tensor in float: it takes weights of 1,024 values or more")
    return count
