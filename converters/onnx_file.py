"""An ONNX file as the user has it, taken into the store: checked, and its external data brought along."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import onnx_finishing
from optimize.converters.pytorch_to_onnx import first_line
from optimize.sources.onnx_files import external_files

reads = "onnx"
makes = "onnx"
libraries = ("onnx", "onnxruntime")
options = onnx_finishing.Options
FILE = "model.onnx"
INLINE_BYTES = 1_500_000_000


def convert(model: Artifact, examples: Arrays, output: Path, options: onnx_finishing.Options) -> Made:
    """Weights in files of their own are copied by the kernel, and take no memory here however large they are."""
    import onnx

    source = model.path / model.options["file"]
    loaded = onnx.load(source, load_external_data=False)
    beside = _copy_weights(source, output)
    for tensor in _tensors(loaded.graph):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = beside[Path(entry.value).as_posix()]
    split = not beside and loaded.ByteSize() > INLINE_BYTES
    onnx.save(loaded, output / FILE, save_as_external_data=split, location=f"{FILE}.data")
    onnx.checker.check_model(str(output / FILE))
    return Made(f"the source's own graph, {onnx_finishing.finish(output / FILE, options)}")


def foresee(model: Artifact) -> str:
    import onnx

    try:
        onnx.checker.check_model(str(model.path / model.options["file"]))
    except onnx.checker.ValidationError as error:
        return f"onnx.checker: {first_line(error)}"
    return ""


def _copy_weights(source: Path, output: Path) -> dict[str, str]:
    """Each file's location in the user's model to its name in the store, which is `model.onnx.data` if there is one."""
    names = {}
    for index, file in enumerate(external_files(source)):
        name = f"{FILE}.{index}.data" if index else f"{FILE}.data"
        shutil.copyfile(file, output / name)
        names[file.relative_to(source.parent).as_posix()] = name
    return names


def _tensors(graph: Any) -> Iterator[Any]:
    """Initializers and tensors in attributes, those of inner graphs too."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)
