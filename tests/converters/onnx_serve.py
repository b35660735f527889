"""Run in a process with TensorFlow: `onnx_serve.py FOLDER CASE…` converts exported ONNX files and runs them."""

from __future__ import annotations

import json
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from optimize.runtimes.lean_tensorflow import leave_keras_out, prepare_environment

prepare_environment()
leave_keras_out()

import tensorflow as tf  # noqa: E402

from optimize.arrays import load_arrays, save_arrays  # noqa: E402
from optimize.artifact import Artifact  # noqa: E402
from optimize.converters import onnx_to_saved_model  # noqa: E402
from optimize.signature import Signature  # noqa: E402


def serve(folder: Path) -> None:
    output = folder / "saved_model"
    output.mkdir(exist_ok=True)
    signature = Signature.from_json(json.loads((folder / "signature.json").read_text()))
    onnx_to_saved_model.convert(Artifact(folder, "onnx", "none", signature), {}, output)
    function = tf.saved_model.load(str(output)).signatures["serving_default"]
    (folder / "serving.json").write_text(json.dumps(described(function)))
    for path in sorted(folder.glob("inputs*.npz")):
        results = function(**{name: tf.constant(value) for name, value in load_arrays(path).items()})
        save_arrays(folder / path.name.replace("inputs", "actual"), {name: r.numpy() for name, r in results.items()})


def described(function: Any) -> dict[str, Any]:
    nodes = [node.op for body in function.graph.as_graph_def().library.function for node in body.node_def]
    _, inputs = function.structured_input_signature
    return {
        "inputs": {name: [spec.dtype.name, spec.shape.as_list()] for name, spec in inputs.items()},
        "outputs": {name: [t.dtype.name, t.shape.as_list()] for name, t in function.structured_outputs.items()},
        "operations": Counter(nodes),
    }


if __name__ == "__main__":
    for name in sys.argv[2:]:
        try:
            serve(Path(sys.argv[1]) / name)
        except Exception:  # noqa: BLE001 - one case's end is that case's result
            (Path(sys.argv[1]) / name / "error.txt").write_text(traceback.format_exc())
