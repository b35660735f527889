"""Keras models and a SavedModel, with seeded weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.matrix.case import NOT_TRACED, Case


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


def application(folder: Path, name: str, **settings: Any) -> dict[str, Any]:
    """Its running statistics are those of a batch: fresh ones let every output be the same."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    sizes: dict[str, Any] = {"input_shape": (64, 64, 3), "weights": None, "classes": 10}
    model = getattr(keras.applications, name)(**sizes, classifier_activation=None, **settings)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(np.random.default_rng(1).standard_normal((32, 64, 64, 3)).astype(np.float32), training=True)
    return _saved(model, folder)


LAYERS = """
import keras

@keras.saving.register_keras_serializable("own")
class Gated(keras.layers.Layer):
    def __init__(self, units, **settings):
        super().__init__(**settings)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2 * self.units), name="kernel")

    def call(self, x):
        value, gate = keras.ops.split(x @ self.kernel, 2, axis=-1)
        return value * keras.ops.sigmoid(gate)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
"""


def own_layer(folder: Path) -> dict[str, Any]:
    from keras import Sequential, layers

    (folder / "layers.py").write_text(LAYERS, encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(LAYERS, scope)
    found = _saved(Sequential([_input((8,)), scope["Gated"](6), layers.BatchNormalization(), layers.Dense(3)]), folder)
    found["source"]["custom_objects"] = "layers.py"
    return found


def versions(folder: Path) -> dict[str, Any]:
    """Two numbered versions, each with signatures of which none is the default one."""
    import tensorflow as tf

    for version in (1, 2):
        module = tf.Module()
        module.weights = tf.Variable(tf.random.stateless_normal((8, 3), (0, version)))
        specs = [tf.TensorSpec((None, 8), tf.float32, "features")]
        classify = tf.function(lambda features, m=module: {"scores": tf.nn.softmax(features @ m.weights)}, specs)
        multiply = tf.function(lambda features, m=module: {"products": features @ m.weights}, specs)
        signatures = {"classify": classify, "multiply": multiply, "again": classify}
        tf.saved_model.save(module, str(folder / "models" / str(version)), signatures)
    source = {"kind": "saved_model", "folder": "models", "signature": "classify", "methods": {"raw": "multiply"}}
    return {"source": source}


def convolution(folder: Path) -> dict[str, Any]:
    """No Keras in it, and the one signature that TensorFlow expects."""
    import tensorflow as tf

    module = tf.Module()
    module.filters = tf.Variable(tf.random.stateless_normal((3, 3, 3, 8), (0, 1)) / 5)
    module.head = tf.Variable(tf.random.stateless_normal((8, 4), (0, 2)))

    @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), tf.float32, "image")])
    def serve(image):
        found = tf.nn.relu(tf.nn.conv2d(image, module.filters, 2, "SAME"))
        return {"logits": tf.reduce_mean(found, (1, 2)) @ module.head}

    tf.saved_model.save(module, str(folder / "model"), {"serving_default": serve})
    return {"source": {"kind": "saved_model", "folder": "model"}}


def named_signature(folder: Path) -> dict[str, Any]:
    """Of two signatures the one that is not the default, with a free length."""
    import tensorflow as tf

    module = tf.Module()
    module.rows = tf.Variable(tf.random.stateless_normal((50, 8), (0, 1)))
    module.head = tf.Variable(tf.random.stateless_normal((8, 3), (0, 2)))
    specs = [tf.TensorSpec((None, None), tf.int32, "tokens"), tf.TensorSpec((None, None), tf.float32, "weights")]

    @tf.function(input_signature=specs)
    def mean(tokens, weights):
        weighed = tf.gather(module.rows, tokens % 50) * tf.expand_dims(weights, -1)
        return {"embedding": tf.math.l2_normalize(tf.reduce_sum(weighed, 1), -1)}

    @tf.function(input_signature=specs)
    def classify(tokens, weights):
        return {"scores": tf.nn.softmax(mean(tokens, weights)["embedding"] @ module.head)}

    tf.saved_model.save(module, str(folder / "model"), {"serving_default": classify, "embed": mean})
    shape = ["batch", "sequence"]
    inputs = {"tokens": {"dtype": "int32", "shape": shape}, "weights": {"dtype": "float32", "shape": shape}}
    return {"source": {"kind": "saved_model", "folder": "model", "signature": "embed", "inputs": inputs}}


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
    replace(case("Keras MobileNetV2", "keras", "application", name="MobileNetV2", alpha=0.35), repeated=NOT_TRACED),
    replace(case("Keras ResNet50", "keras", "application", name="ResNet50"), repeated=NOT_TRACED),
    case("Keras, a layer of its own", "keras", "own_layer"),
    case("SavedModel of a convolution", "saved_model", "convolution"),
    case("SavedModel, a signature named", "saved_model", "named_signature"),
    case("SavedModel in version folders", "saved_model", "versions"),
)
