"""LiteRT's flat file in LiteRT's interpreter, on the CPU."""

from __future__ import annotations

from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.stages import RuntimeSettings

reads = "litert"
libraries = ("ai-edge-litert",)
FILE = "model.tflite"
SIGNATURE = "serving_default"


def prepare(settings: RuntimeSettings) -> None:
    import ai_edge_litert.interpreter  # noqa: F401 - imported in this phase, used in the next


def read(model: Artifact) -> Any:
    # By its path the file is mapped, and no second copy of the weights is held.
    return str(model.path / FILE)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> LitertSession:
    from ai_edge_litert.interpreter import Interpreter

    return LitertSession(Interpreter(loaded, num_threads=settings.threads))


class LitertSession:
    """Tensors by the names of the signature, memory planned anew only where a shape changes."""

    threads: int | None = None  # The interpreter does not say.

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        runner = interpreter.get_signature_runner(SIGNATURE)
        self._inputs = {name: tensor["index"] for name, tensor in runner.get_input_details().items()}
        self._outputs = {name: tensor["index"] for name, tensor in runner.get_output_details().items()}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def run(self, inputs: Arrays) -> Arrays:
        self._resize({name: inputs[name].shape for name in self._inputs})
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, inputs[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def _resize(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        self._shapes = {}  # A size that the model cannot take leaves none planned.
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._inputs[name], shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes
