"""A Keras model file, run by Keras on TensorFlow; for PyTorch's converters it is loaded on Keras' torch backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from optimize.arrays import Arrays, dtype_name
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature
from optimize.sources.base import SourceOptions
from optimize.sources.keras_calls import KerasCall, find_inputs
from optimize.sources.keras_files import import_keras, load_keras
from optimize.sources.keras_modules import build_module as build_module
from optimize.sources.modules import flatten
from optimize.sources.user_code import code_closure
from optimize.stages import RuntimeSettings

kind = "keras"
libraries = ("keras", "tensorflow-cpu", "tensorflow")
read_as = ("pytorch",)


class Options(SourceOptions):
    """A Keras model; its signature is its own unless `inputs` says otherwise."""

    kind: Literal["keras"] = "keras"
    file: str
    """The `.keras` file, or a whole model in `.h5`."""
    custom_objects: str | None = None
    """A Python file that defines the model's own layers, and registers them with Keras."""

    def paths(self) -> dict[str, str]:
        return {"file": self.file} | ({"custom_objects": self.custom_objects} if self.custom_objects else {})

    def content(self, base: Path) -> dict[str, tuple[Path, ...]]:
        files = super().content(base)
        if self.custom_objects:
            files["custom_objects"] = tuple(code_closure(base / self.custom_objects))
        return files


def prepare(settings: RuntimeSettings) -> None:
    import_keras("tensorflow")
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)


def read(model: Artifact) -> Any:
    return load_keras(model, "tensorflow")


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> KerasSource:
    return KerasSource(loaded, model.signature)


def load_function(model: Artifact) -> tuple[Any, Callable[..., dict[str, Any]]]:
    """The model, and a function from the signature's inputs by position to its outputs by name, to be traced."""
    loaded = read(model)
    import tensorflow

    call = KerasCall(loaded, find_inputs(loaded, model.signature))

    def function(*tensors: Any) -> dict[str, Any]:
        outputs = flatten(call(tensors), tensor=tensorflow.Tensor)
        # A signature may not give back its own input, nor one tensor under two names.
        return {name: tensorflow.identity(outputs[name]) for name in model.signature.output_names}

    return loaded, function


class KerasSource:
    def __init__(self, model: Any, signature: Signature) -> None:
        import tensorflow

        self.signature = Signature(find_inputs(model, signature), ranges=signature.ranges)
        self._call = KerasCall(model, self.signature.inputs)
        self._tensorflow = tensorflow
        self.threads: int | None = tensorflow.config.threading.get_intra_op_parallelism_threads()

    def run(self, inputs: Arrays) -> Arrays:
        try:
            result = self._call([self._tensorflow.constant(inputs[name]) for name in self.signature.input_names])
        except Exception as error:  # Keras lets through whatever a layer's `call` raises.
            given = ", ".join(f"{name}: {dtype_name(a.dtype)}{list(a.shape)}" for name, a in inputs.items())
            message = f"the model refuses its signature ({given}): {type(error).__name__}: {_short(error)}"
            raise UserError(message, "source.inputs") from error
        return {name: tensor.numpy() for name, tensor in flatten(result, tensor=self._tensorflow.Tensor).items()}


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
