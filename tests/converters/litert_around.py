"""Run in a process with TensorFlow: `litert_around.py FOLDER` converts a SavedModel to LiteRT with its weights around the
converter, and through it, and writes what came of both to FOLDER/said.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from optimize.converters import saved_model_to_litert, tensorflow_weights
from optimize.converters.saved_model_to_litert import file, large
from optimize.converters.saved_model_to_litert.operators import Model
from optimize.runtimes.litert import LitertSession

SHAPES = {
    "table": (50, 16), "kernel": (3, 16, 16), "into_heads": (16, 4, 4), "scaled": (16, 24), "after_scale": (24, 16),
    "bias": (24,), "scale": (24,), "offset": (24,), "last_bias": (16,),
}  # fmt: skip


def make(folder: Path) -> None:
    module = tf.Module()
    for number, (name, shape) in enumerate(SHAPES.items()):
        setattr(module, name, tf.Variable(tf.random.stateless_normal(shape, (0, number)), name=name))

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32, "tokens")])
    def serve(tokens: Any) -> dict[str, Any]:
        x = tf.gather(module.table, tokens)
        x = x + tf.nn.conv1d(x, module.kernel, 1, "SAME")
        heads = tf.einsum("abc,cde->abde", x, module.into_heads)
        first = tf.nn.relu((tf.matmul(tf.reduce_mean(x, 1), module.scaled) + module.bias) * module.scale)
        last = tf.matmul(first * module.scale + module.offset, module.after_scale) + module.last_bias
        return {"heads": heads, "scores": tf.matmul(last, module.table, transpose_b=True)}

    tf.saved_model.save(module, str(folder), {"serving_default": serve})


def given(folder: Path) -> dict[str, Any]:
    """Of a model that gives one of its large weights as an output: what comes of it, and what went around."""
    module = tf.Module()
    module.shown = tf.Variable(tf.random.stateless_normal((16, 24), (0, 0)), name="shown")
    module.hidden = tf.Variable(tf.random.stateless_normal((24, 8), (0, 1)), name="hidden")

    @tf.function(input_signature=[tf.TensorSpec((None, 16), tf.float32, "x")])
    def serve(x: Any) -> dict[str, Any]:
        y = tf.matmul(tf.nn.relu(tf.matmul(x, module.shown)), module.hidden)
        return {"y": y, "shown": module.shown.read_value()}

    tf.saved_model.save(module, str(folder), {"serving_default": serve})
    made = folder.with_suffix(".tflite")
    assert saved_model_to_litert._write_around(folder, made)
    x = np.random.default_rng(0).standard_normal((3, 16), np.float32)
    found = LitertSession(Interpreter(str(made))).run({"x": x})
    y = tf.matmul(tf.nn.relu(tf.matmul(x, module.shown)), module.hidden)
    return {
        "shown": float(np.abs(found["shown"] - module.shown.numpy()).max()),
        "y": float(np.abs(found["y"] - y.numpy()).max()),
    }


def operators(content: bytes) -> list[Any]:
    """Each with the sizes of its constants."""
    model = Model(schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0)), schema)
    found = []
    for graph in model.content.subgraphs:
        for one in graph.operators:
            data = [model.content.buffers[graph.tensors[i].buffer].data for i in one.inputs if i >= 0]
            found.append([model.kind(one), *(len(array) for array in data if array is not None)])
    return found


def tables(content: bytes) -> int:
    """How often the bytes of a table are in the file."""
    buffers = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0)).buffers
    return sum(one.data is not None and len(one.data) == 4 * 50 * 16 for one in buffers)


def answers(path: Path, batch: int, time: int) -> dict[str, Any]:
    tokens = np.random.default_rng(batch).integers(0, 50, (batch, time), dtype=np.int32)
    return LitertSession(Interpreter(str(path))).run({"tokens": tokens})


def main(folder: Path) -> None:
    make(folder / "model")
    whole, around = folder / "whole.tflite", folder / "around.tflite"
    whole.write_bytes(saved_model_to_litert._converter(str(folder / "model")).convert())
    assert not saved_model_to_litert._write_around(folder / "model", around)
    tensorflow_weights.LARGE_BYTES = large.WORTH_BYTES = 0
    names: list[list[str]] = []
    put_back = large.put_back

    def watched(content: bytes, stand_ins: Any, *rest: Any) -> list[Any]:
        names.append([one.variable.name.partition(":")[0] for one in stand_ins])
        return put_back(content, stand_ins, *rest)

    large.put_back = watched
    assert saved_model_to_litert._write_around(folder / "model", around)
    large.put_back = put_back
    shown = given(folder / "given")
    large.put_back = watched
    file.MOST_BYTES = 0
    far = folder / "far.tflite"
    assert saved_model_to_litert._write_around(folder / "model", far)
    errors = []
    for sizes in ((2, 5), (3, 9)):
        expected = answers(whole, *sizes)
        for found in (answers(around, *sizes), answers(far, *sizes)):
            assert list(expected) == list(found)
            errors += [float(np.abs(expected[name] - found[name]).max()) for name in expected]
    said = {
        "names": names, "errors": errors, "tables": tables(around.read_bytes()), "given": shown,
        "operators": [operators(path.read_bytes()) for path in (whole, around)],
    }  # fmt: skip
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
