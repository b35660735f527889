"""Keras models and a SavedModel, with seeded weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.matrix.case import Case


def perceptron(folder: Path, suffix: str) -> dict[str, Any]:
    from keras import Sequential, layers

    hidden = layers.Dense(16, activation="relu")
    return _saved(Sequential([_input((8,)), hidden, layers.Dropout(0.5), layers.Dense(3)]), folder, suffix)


def tagger(folder: Path) -> dict[str, Any]:
    from keras import Model, layers

    tokens = _input((None,), dtype="int32", name="tokens")
    found = layers.LSTM(16, return_sequences=True)(layers.Embedding(50, 16)(tokens))
    return _saved(Model(tokens, layers.Dense(5)(found)), folder)


def two_inputs(folder: Path) -> dict[str, Any]:
    from keras import Model, layers

    a, b = _input((4,), name="a"), _input((6,), name="b")
    hidden = layers.Dense(8, activation="tanh")(a) + layers.Dense(8)(b)
    return _saved(Model({"a": a, "b": b}, {"score": layers.Dense(1)(hidden), "hidden": hidden}), folder)


def mobilenet(folder: Path) -> dict[str, Any]:
    """Its running statistics are those of a batch: fresh ones let every output be the same."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        (64, 64, 3), alpha=0.35, weights=None, classes=10, classifier_activation=None
    )
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(np.random.default_rng(1).standard_normal((32, 64, 64, 3)).astype(np.float32), training=True)
    return _saved(model, folder)


def versions(folder: Path) -> dict[str, Any]:
    """Two numbered versions, each with a signature that is not the default one."""
    import tensorflow as tf

    for version in (1, 2):
        module = tf.Module()
        module.weights = tf.Variable(tf.random.stateless_normal((8, 3), (0, version)))
        specs = [tf.TensorSpec((None, 8), tf.float32, "features")]
        classify = tf.function(lambda features, m=module: {"scores": tf.nn.softmax(features @ m.weights)}, specs)
        tf.saved_model.save(module, str(folder / "models" / str(version)), {"classify": classify})
    return {"source": {"kind": "saved_model", "folder": "models", "signature": "classify"}}


def _input(shape: tuple[int | None, ...], **settings: Any) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return keras.Input(shape, **settings)


def _saved(model: Any, folder: Path, suffix: str = "keras") -> dict[str, Any]:
    model.save(folder / f"model.{suffix}")
    return {"source": {"kind": "keras", "file": f"model.{suffix}"}}


def case(title: str, kind: str, make: str, **changes: Any) -> Case:
    return Case(title, kind, f"tests.matrix.zoo_tensorflow:{make}", changes)


CASES = (
    case("Keras MLP", "keras", "perceptron", suffix="keras"),
    case("Keras MLP in .h5", "keras", "perceptron", suffix="h5"),
    case("Keras embedding and LSTM", "keras", "tagger"),
    case("Keras two inputs, dict output", "keras", "two_inputs"),
    case("Keras MobileNetV2", "keras", "mobilenet"),
    case("SavedModel in version folders", "saved_model", "versions"),
)
