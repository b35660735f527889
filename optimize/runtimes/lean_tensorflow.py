"""TensorFlow without the parts that serving a SavedModel never runs.

`import tensorflow` runs an `__init__` that imports the whole public interface, and Keras, which imports scikit-learn:
5 s where the modules that load and run a SavedModel take 1.9 s. TensorFlow Serving has neither.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any


def prepare_environment() -> None:
    """What must be set before anything of TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # On by default where the processor has AVX-512 VNNI; int8 models have no kernels without it.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"


def leave_keras_out() -> None:
    """Make TensorFlow's own import of Keras find nothing, which TensorFlow takes for Keras not being installed."""
    if "keras" not in sys.modules:
        sys.modules["keras"] = None  # type: ignore[assignment]


class _Package(ModuleType):
    """The package `tensorflow` with its `__init__` not run: its submodules can be imported.

    The first use of a public name (`tf.constant`) runs it after all, so that no code finds less than it expects.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)  # The import system asks for these, of every module.
        if sys.modules.get("tensorflow") is self:
            del sys.modules["tensorflow"]
        return getattr(importlib.import_module("tensorflow"), name)


def leave_init_out() -> None:
    """Let `tensorflow.python...` be imported without running `tensorflow/__init__.py`. Raises ModuleNotFoundError."""
    if "tensorflow" in sys.modules:
        return
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("No module named 'tensorflow'")
    package = _Package("tensorflow")
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    package.__file__ = spec.origin
    sys.modules["tensorflow"] = package
