"""Run in a process with TensorFlow: `weights_apart.py CASE FOLDER` converts a Keras model to ONNX with its weights kept
apart, and writes what came of it to FOLDER/said.json."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
from keras import layers

from optimize.converters import onnx_weights, tensorflow_functions, tensorflow_weights
from optimize.converters.onnx_finishing import Options
from optimize.signature import Signature, TensorSpec


def tagger() -> tuple[Any, Any]:
    """An embedding, a loop whose body reads weights of its own, and a product."""
    tokens = keras.Input((None,), dtype="int32")
    found = layers.LSTM(16, return_sequences=True)(layers.Embedding(50, 16)(tokens))
    return keras.Model(tokens, layers.Dense(5)(found)), np.arange(18, dtype=np.int32).reshape(2, 9)


def convolutional() -> tuple[Any, Any]:
    stack = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.DepthwiseConv2D(3), layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 8, 3)), *stack, layers.Dense(4)])
    return model, np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)


def products() -> tuple[Any, Any]:
    stack = [layers.Dense(4096, activation="relu") for _ in range(4)]
    model = keras.Sequential([keras.Input((4096,)), *stack, layers.Dense(8)])
    return model, np.random.default_rng(0).standard_normal((2, 4096)).astype(np.float32)


def main(case: str, folder: Path) -> None:
    keras.utils.set_random_seed(0)
    model, x = globals()[case]()
    small = case != "products"
    tensorflow_weights.LARGE_BYTES = 0 if small else tensorflow_weights.LARGE_BYTES
    onnx_weights.INLINE_BYTES = 0 if case == "tagger" else onnx_weights.INLINE_BYTES
    kept: list[dict[str, Any]] = []
    keep_apart = onnx_weights.keep_apart

    def watched(*arguments: Any) -> Any:
        apart = keep_apart(*arguments)
        kept.append({name: list(variable.shape) for name, variable in apart.weights.items()})
        return apart

    tensorflow_functions.keep_apart = watched
    free = tuple("batch" if i == 0 else size for i, size in enumerate(x.shape))
    signature = Signature((TensorSpec("weight", str(x.dtype), free),), (TensorSpec("y", "float32", ("batch", 4)),))
    if case == "tagger":
        signature = Signature(
            (TensorSpec("weight", "int32", ("batch", "time")),), (TensorSpec("y", "float32", ("batch", "time", 5)),)
        )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = folder / "model.onnx"
    tensorflow_functions.write_onnx(lambda t: {"y": model(t, training=False)}, signature, path, Options())
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(None, {"weight": x})
    error = float(np.abs(found - model(x, training=False).numpy()).max())
    said = {"apart": kept[0], "error": error, "peak": peak, "inputs": [value.name for value in session.get_inputs()]}
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
