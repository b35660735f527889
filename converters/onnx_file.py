"""An ONNX file as the user has it, taken into the store: checked, and its external data brought along."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made

reads = "onnx"
makes = "onnx"
libraries = ("onnx",)
FILE = "model.onnx"
INLINE_BYTES = 1_500_000_000


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    import onnx

    loaded = onnx.load(model.path / model.options["file"])
    beside = loaded.ByteSize() > INLINE_BYTES
    onnx.save(loaded, output / FILE, save_as_external_data=beside, location="model.onnx.data")
    onnx.checker.check_model(str(output / FILE))
    opset = next((o.version for o in loaded.opset_import if o.domain in ("", "ai.onnx")), 0)
    return Made(f"the source's own graph, opset {opset}")
