"""A SavedModel as the user has it, taken into the store: one signature, under the name that every server asks for, and
those that the pipeline file names besides."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
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
    from optimize.sources.saved_model import find_folder, serving_graph

    folder, kept = find_folder(model), model.options["signature_key"]
    names = {SIGNATURE: kept, **model.options["methods"]}
    shutil.copytree(folder, output, dirs_exist_ok=True, ignore=LEFT_OUT)
    keep_signatures(serving_graph(folder), names, output)
    return Made(f"the source's own graph, its signature {', '.join(dict.fromkeys(names.values()))}")


def keep_signatures(graph: Any, names: Mapping[str, str], output: Path) -> None:
    """Write into `output` the SavedModel of this one MetaGraph, with those signatures alone; `names` are the new names
    to the old."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    _keep_definitions(graph.signature_def, names)
    if graph.object_graph_def.nodes:  # A SavedModel of TensorFlow 1 has none.
        _keep_objects(graph.object_graph_def.nodes, names)
    document = SavedModel(saved_model_schema_version=1, meta_graphs=[graph])
    (output / "saved_model.pb").write_bytes(document.SerializeToString(deterministic=True))


def _keep_definitions(definitions: Any, names: Mapping[str, str]) -> None:
    """Where TensorFlow Serving looks. Names with two underscores are TensorFlow's own, for what runs at the start."""
    kept = {new: type(definitions[old])() for new, old in names.items()}
    for new, old in names.items():
        kept[new].CopyFrom(definitions[old])
    for name in [name for name in definitions if not name.startswith("__")]:
        del definitions[name]
    for new, definition in kept.items():
        definitions[new].CopyFrom(definition)


def _keep_objects(nodes: Any, names: Mapping[str, str]) -> None:
    """In the graph of objects, from which TensorFlow's own `load` restores a model."""
    for root in nodes[0].children:
        if root.local_name == "signatures":
            children = nodes[root.node_id].children
            places = {child.local_name: child.node_id for child in children}
            del children[:]
            for new, old in names.items():
                children.add(node_id=places[old], local_name=new)
