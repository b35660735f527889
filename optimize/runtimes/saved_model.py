"""SavedModel in TensorFlow: the `serving_default` signature, called with tensors by name."""

from __future__ import annotations

import os
import sys
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.stages import RuntimeSettings

reads = "saved_model"
libraries = ("tensorflow-cpu", "tensorflow")
SIGNATURE = "serving_default"


def prepare(settings: RuntimeSettings) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # On by default where the processor has AVX-512 VNNI; int8 models have no kernels without it.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    # TensorFlow imports Keras where it finds it, and Keras imports scikit-learn: a third of the import, for code that
    # serving a SavedModel never runs and TensorFlow Serving does not have.
    if "keras" not in sys.modules:
        sys.modules["keras"] = None  # type: ignore[assignment]
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def read(model: Artifact) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(str(model.path))


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> SavedModelSession:
    return SavedModelSession(loaded, model)


class SavedModelSession:
    def __init__(self, loaded: Any, model: Artifact) -> None:
        import tensorflow as tf

        self._loaded = loaded  # The function holds its variables weakly.
        self._function = loaded.signatures[SIGNATURE]
        self._constant = tf.constant
        self._inputs = model.signature.input_names
        self._outputs = model.signature.output_names
        self.threads: int | None = tf.config.threading.get_intra_op_parallelism_threads()

    def run(self, inputs: Arrays) -> Arrays:
        result = self._function(**{name: self._constant(inputs[name]) for name in self._inputs})
        return {name: result[name].numpy() for name in self._outputs}
