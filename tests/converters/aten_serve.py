"""Run in a process with TensorFlow: `aten_serve.py FOLDER CASE…` converts the exported cases and runs them."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import tensorflow as tf

from optimize.arrays import load_arrays, save_arrays
from optimize.artifact import Artifact
from optimize.converters import aten_graph_to_saved_model
from optimize.signature import Signature


def serve(folder: Path, inputs: Signature) -> None:
    output = folder / "saved_model"
    output.mkdir()
    model = Artifact(folder / "graph", "aten_graph", "none", inputs)
    aten_graph_to_saved_model.convert(model, {}, output)
    function = tf.saved_model.load(str(output)).signatures["serving_default"]
    for path in sorted(folder.glob("inputs*.npz")):
        results = function(**{name: tf.constant(value) for name, value in load_arrays(path).items()})
        save_arrays(folder / path.name.replace("inputs", "actual"), {name: r.numpy() for name, r in results.items()})


def signature(folder: Path) -> Signature:
    return Signature.from_json(json.loads((folder / "signature.json").read_text()))


if __name__ == "__main__":
    root = Path(sys.argv[1])
    for name in sys.argv[2:]:
        folder = root / name
        if (folder / "error.txt").exists():
            continue
        try:
            serve(folder, signature(folder))
        except Exception:  # one case's end is that case's result
            (folder / "error.txt").write_text("while converting\n" + traceback.format_exc())
    assert "torch" not in sys.modules
