"""A SavedModel as the user has it, taken into the store: one signature, under the name that every server asks for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.runtimes.saved_model import SIGNATURE, import_loader

reads = "saved_model"
makes = "saved_model"
libraries = ("tensorflow-cpu", "tensorflow")
LEFT_OUT = shutil.ignore_patterns("fingerprint.pb", "keras_metadata.pb", "saved_model.pb*", "assets.extra")
"""What is written anew, describes the file as it was, or is read by Keras 2 alone."""


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    import_loader()
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    from optimize.sources.saved_model import find_folder, serving_graph

    folder, kept = find_folder(model), model.options["signature_key"]
    graph = serving_graph(folder)
    _keep_definition(graph.signature_def, kept)
    if graph.object_graph_def.nodes:  # A SavedModel of TensorFlow 1 has none.
        _keep_object(graph.object_graph_def.nodes, kept)
    shutil.copytree(folder, output, dirs_exist_ok=True, ignore=LEFT_OUT)
    document = SavedModel(saved_model_schema_version=1, meta_graphs=[graph])
    (output / "saved_model.pb").write_bytes(document.SerializeToString(deterministic=True))
    return Made(f"the source's own graph, its signature {kept}")


def _keep_definition(definitions: Any, kept: str) -> None:
    """Where TensorFlow Serving looks. Names with two underscores are TensorFlow's own, for what runs at the start."""
    definition = type(definitions[kept])()
    definition.CopyFrom(definitions[kept])
    for name in [name for name in definitions if not name.startswith("__")]:
        del definitions[name]
    definitions[SIGNATURE].CopyFrom(definition)


def _keep_object(nodes: Any, kept: str) -> None:
    """In the graph of objects, from which TensorFlow's own `load` restores a model."""
    for root in nodes[0].children:
        if root.local_name == "signatures":
            children = nodes[root.node_id].children
            node = next(child.node_id for child in children if child.local_name == kept)
            del children[:]
            children.add(node_id=node, local_name=SIGNATURE)
