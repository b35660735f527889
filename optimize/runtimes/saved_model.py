"""SavedModel in TensorFlow: the `serving_default` signature, called with tensors by name."""

from __future__ import annotations

from typing import Any

from optimize.arrays import Arrays, as_text
from optimize.artifact import Artifact
from optimize.runtimes.lean_tensorflow import leave_init_out, leave_keras_out, prepare_environment
from optimize.stages import RuntimeSettings

reads = "saved_model"
libraries = ("tensorflow-cpu", "tensorflow")
SIGNATURE = "serving_default"


def prepare(settings: RuntimeSettings) -> None:
    import_loader()
    from tensorflow.python.framework import config

    config.set_intra_op_parallelism_threads(settings.threads)
    config.set_inter_op_parallelism_threads(1)


def import_loader() -> None:
    """What loads and runs a SavedModel, and nothing else of TensorFlow."""
    prepare_environment()
    leave_keras_out()
    leave_init_out()
    from tensorflow.python.compat.v2_compat import enable_v2_behavior
    from tensorflow.python.ops import lookup_ops  # noqa: F401 - SavedModels with tables are revived by it
    from tensorflow.python.saved_model import load  # noqa: F401 - imported in this phase, used in the next

    enable_v2_behavior()  # As tensorflow/__init__.py does.


def read(model: Artifact) -> Any:
    from tensorflow.python.saved_model.load import load

    return load(str(model.path))


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> SavedModelSession:
    return SavedModelSession(loaded, model)


class SavedModelSession:
    def __init__(self, loaded: Any, model: Artifact) -> None:
        from tensorflow.python.framework import config, constant_op

        self._loaded = loaded  # The function holds its variables weakly.
        self._function = loaded.signatures[SIGNATURE]
        self._constant = constant_op.constant
        self._inputs = model.signature.input_names
        self._outputs = model.signature.output_names
        self.methods: frozenset[str] = frozenset(loaded.signatures) - {SIGNATURE}
        self.threads: int | None = config.get_intra_op_parallelism_threads()

    def run_method(self, name: str, inputs: Arrays) -> Arrays:
        """Under a signature beside the main one."""
        result = self._loaded.signatures[name](**{key: self._constant(array) for key, array in inputs.items()})
        return {key: as_text(tensor.numpy()) for key, tensor in result.items()}

    def run(self, inputs: Arrays) -> Arrays:
        result = self._function(**{name: self._constant(inputs[name]) for name in self._inputs})
        return {name: as_text(result[name].numpy()) for name in self._outputs}
