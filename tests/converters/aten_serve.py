"""Run in a process with TensorFlow: `aten_serve.py FOLDER CASE…` converts the exported cases and runs them."""

from __future__ import annotations

import json
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import tensorflow as tf

from optimize.arrays import load_arrays, save_arrays
from optimize.artifact import Artifact
from optimize.converters import aten_graph_to_saved_model
from optimize.converters.aten_graph_to_saved_model.coverage import document, table
from optimize.methods import NoOptions, Task
from optimize.quantizers import saved_model_weight_only
from optimize.signature import Signature

TASK = Task(NoOptions(), None, {})


def serve(folder: Path) -> None:
    output = folder / "saved_model"
    output.mkdir()
    signature = Signature.from_json(json.loads((folder / "case.json").read_text())["signature"])
    aten_graph_to_saved_model.convert(Artifact(folder / "graph", "aten_graph", "none", signature), {}, output)
    function = tf.saved_model.load(str(output)).signatures["serving_default"]
    (folder / "serving.json").write_text(json.dumps({**described(function), "variables": variables(output)}))
    for path in sorted(folder.glob("inputs*.npz")):
        results = function(**{name: tf.constant(value) for name, value in load_arrays(path).items()})
        save_arrays(folder / path.name.replace("inputs", "actual"), {name: r.numpy() for name, r in results.items()})


def quantize(folder: Path) -> None:
    """The same graph with its weights as integers."""
    output = folder / "integers"
    output.mkdir()
    signature = Signature.from_json(json.loads((folder / "case.json").read_text())["signature"])
    made = saved_model_weight_only.quantize(Artifact(folder / "graph", "aten_graph", "none", signature), TASK, output)
    (folder / "integers.txt").write_text(" ".join([made.method, *made.notes]))
    (folder / "integers.json").write_text(json.dumps(variables(output)))
    # Loaded beside a model of the same weights and names, which must not share its variables.
    function = tf.saved_model.load(str(output)).signatures["serving_default"]
    inputs = load_arrays(folder / "inputs0.npz")
    results = function(**{name: tf.constant(value) for name, value in inputs.items()})
    save_arrays(folder / "rounded0.npz", {name: r.numpy() for name, r in results.items()})


def variables(output: Path) -> list[list[int]]:
    """Shapes of what the checkpoint holds."""
    found = tf.train.list_variables(str(output / "variables" / "variables"))
    return [list(shape) for _, shape in found if shape]


def described(function: Any) -> dict[str, Any]:
    _, inputs = function.structured_input_signature
    nodes = [node.op for body in function.graph.as_graph_def().library.function for node in body.node_def]
    specs = {"inputs": inputs, "outputs": function.structured_outputs}
    types = {
        kind: {name: [spec.dtype.name, spec.shape.as_list()] for name, spec in named.items()}
        for kind, named in specs.items()
    }
    return {**types, "operations": dict(Counter(nodes))}


def main(root: Path, names: list[str]) -> None:
    (root / "coverage.json").write_text(json.dumps({"document": document(), "table": table()}))
    for name in names:
        folder = root / name
        if (folder / "error.txt").exists():
            continue
        try:
            serve(folder)
            if name in ("wide", "tied_weights", "tied_the_other_way"):
                quantize(folder)
        except Exception:  # noqa: BLE001 - one case's end is that case's result
            (folder / "error.txt").write_text("while converting\n" + traceback.format_exc())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    assert "torch" not in sys.modules
