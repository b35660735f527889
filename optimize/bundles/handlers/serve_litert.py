"""Serves `model.tflite` with LiteRT: the four functions that SageMaker's inference toolkit calls."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter
from bundle_metrics import Metrics
from bundle_wire import Arrays, Refused, decode, encode, read_settings, warm_up_inputs

SETTINGS = read_settings(Path(__file__).parent / "signature.json")
METRICS = Metrics("model.tflite")


class Model:
    """One interpreter, so one inference at a time; the server's workers are processes."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(str(path), num_threads=SETTINGS.threads)
        runner = self._interpreter.get_signature_runner("serving_default")
        self._inputs = {name: tensor["index"] for name, tensor in runner.get_input_details().items()}
        self._outputs = {name: tensor["index"] for name, tensor in runner.get_output_details().items()}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._lock = threading.Lock()

    def run(self, inputs: Arrays) -> Arrays:
        with self._lock:
            self._resize({name: inputs[name].shape for name in self._inputs})
            for name, index in self._inputs.items():
                self._interpreter.set_tensor(index, inputs[name])
            self._interpreter.invoke()
            return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def _resize(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Memory is planned anew only where a shape changes."""
        if shapes == self._shapes:
            return
        self._shapes = {}  # A size that the model cannot take leaves none planned.
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._inputs[name], shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def model_fn(model_dir: str) -> Model:
    """Loads the model and runs it twice, so that the first request is not the slow one."""
    started = time.perf_counter()
    model = Model(Path(model_dir) / "model.tflite")
    inputs = warm_up_inputs(SETTINGS)
    for _ in range(2 if inputs else 0):
        model.run(inputs or {})
    METRICS.put("LoadTime", time.perf_counter() - started)
    return model


def input_fn(body: bytes | str, content_type: str) -> Arrays:
    return decode(body, content_type, SETTINGS)


def predict_fn(inputs: Arrays, model: Any) -> Arrays:
    started = time.perf_counter()
    try:
        answers: Arrays = model.run(inputs)
    except RuntimeError as error:  # Names, dtypes and shapes have been checked; this is about a value or a size.
        raise Refused(f"the model cannot take these values: {error}") from None
    METRICS.put("ModelLatency", time.perf_counter() - started)
    return answers


def output_fn(outputs: Arrays, accept: str) -> tuple[bytes, str]:
    answer: tuple[bytes, str] = encode(outputs, accept)
    return answer
