"""Keras files and SavedModels that cannot be taken, and what must not be executed. TensorFlow stays in one process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

TRY = """
import json, os
os.environ["KERAS_BACKEND"] = "tensorflow"
from pathlib import Path
import keras, tensorflow as tf
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources import keras as keras_source, saved_model as saved_model_source
from optimize.stages import RuntimeSettings

@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def call(self, x):
        return x * 2

def build(*layers):
    return keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)])

build().save("good.keras"); build().save("good.h5")
build(Scale()).save("custom.keras")
build(keras.layers.Lambda(lambda x: x + 0 * len(open("exploded", "w").name))).save("lambda.keras")
Path("exploded").unlink(missing_ok=True)
keras.saving.get_custom_objects().clear()
build().save_weights("only.weights.h5"); Path("only.weights.h5").rename("only.h5")
for name in ("good.keras", "good.h5"):
    data = Path(name).read_bytes(); Path("cut" + Path(name).suffix).write_bytes(data[:len(data) // 2])
Path("text.keras").write_text("not a model")

module = tf.Module()
tf.saved_model.save(module, "bare")
serve = tf.function(lambda x: {"y": x + 1}, [tf.TensorSpec((None, 2), tf.float32, "x")])
other = tf.function(lambda z: {"y": z + 1}, [tf.TensorSpec((None, 2), tf.float32, "z")])
tf.saved_model.save(module, "versions/3", {"add": serve, "other": other})

def told(source, declared=(), **options):
    parsed = source.Options(**options)
    artifact = Artifact(Path.cwd(), source.kind, "source", Signature(declared), parsed.model_dump(mode="json"))
    try:
        return str(source.open(source.read(artifact), artifact, RuntimeSettings()).signature.inputs)
    except UserError as error:
        return f"{error.key}: {error.message}"

lie = (TensorSpec("x", "float32", ("batch", 5)),)
print(json.dumps({
    "good": told(keras_source, file="good.keras"),
    "h5": told(keras_source, file="good.h5"),
    "cut": told(keras_source, file="cut.keras"),
    "cut h5": told(keras_source, file="cut.h5"),
    "text": told(keras_source, file="text.keras"),
    "only weights": told(keras_source, file="only.h5"),
    "custom": told(keras_source, file="custom.keras"),
    "lambda": told(keras_source, file="lambda.keras"),
    "lie": told(keras_source, lie, file="good.keras"),
    "exploded": str(Path("exploded").exists()),
    "versions": told(saved_model_source, folder="versions", signature="add"),
    "bare": told(saved_model_source, folder="bare"),
    "signature": told(saved_model_source, folder="versions"),
    "version": told(saved_model_source, folder="versions", version=1, signature="add"),
    "no method": told(saved_model_source, folder="versions", signature="add", methods={"more": "missing"}),
    "foreign": told(saved_model_source, folder="versions", signature="add", methods={"more": "other"}),
    "nothing": told(saved_model_source, folder="."),
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("keras")
    done = subprocess.run([sys.executable, "-c", TRY], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("good", r"float32.*'batch', 4"),
        ("h5", r"float32.*'batch', 4"),
        ("versions", r"name='x', dtype='float32', shape=\('batch', 2\)"),
        ("cut", r"source\.file: .*cut\.keras"),
        ("cut h5", r"source\.file: .*cut\.h5"),
        ("text", r"source\.file: .*text\.keras"),
        ("only weights", r"source\.file: .*only\.h5.*weights"),
        ("custom", r"Scale.*custom_objects"),
        ("lambda", r"lambda\.keras.*Lambda.*trust: true"),
        ("lie", r"source\.inputs: .*5.*4"),
        ("bare", r"bare.*signature"),
        ("signature", r"source\.signature: .*serving_default.*add"),
        ("version", r"source\.version: .*no version 1; there are: 3"),
        ("no method", r"source\.methods\.more: .*no signature 'missing'; write one of add, other"),
        ("foreign", r"source\.methods\.more: it takes z, and .*: x"),
        ("nothing", r"source\.folder: .*expected saved_model\.pb"),
    ],
)
def test_what_a_file_is_taken_for(found: dict[str, Any], case: str, expected: str) -> None:
    assert re.search(expected, found[case]), found[case]


def test_a_lambda_without_trust_executes_nothing(found: dict[str, Any]) -> None:
    assert found["exploded"] == "False"
