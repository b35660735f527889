"""`model.tflite`, run by LiteRT."""

from __future__ import annotations

import threading
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter
from bundle_wire import Arrays, Settings

FILE = "model.tflite"
WRONG_VALUES = (RuntimeError,)


class Model:
    """One interpreter, so one inference at a time; the server's workers are processes."""

    def __init__(self, path: Path, settings: Settings, threads: int) -> None:
        self._interpreter = Interpreter(str(path), num_threads=threads)
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
