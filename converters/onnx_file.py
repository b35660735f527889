"""An ONNX file as the user has it, taken into the store: checked, and its external data brought along."""

from __future__ import annotations

import shutil
from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.sources.onnx_files import external_files

reads = "onnx"
makes = "onnx"
libraries = ("onnx",)
FILE = "model.onnx"
INLINE_BYTES = 1_500_000_000


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    """Weights in files of their own are copied by the kernel, and take no memory here however large they are."""
    import onnx

    source = model.path / model.options["file"]
    beside = external_files(source)
    for file in beside:
        copy = output / file.relative_to(source.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    loaded = onnx.load(source, load_external_data=False)
    split = not beside and loaded.ByteSize() > INLINE_BYTES
    onnx.save(loaded, output / FILE, save_as_external_data=split, location="model.onnx.data")
    onnx.checker.check_model(str(output / FILE))
    opset = next((o.version for o in loaded.opset_import if o.domain in ("", "ai.onnx")), 0)
    return Made(f"the source's own graph, opset {opset}")
