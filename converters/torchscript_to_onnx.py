"""TorchScript to ONNX by the older exporter, which keeps the branches and loops of a script."""

from __future__ import annotations

import warnings
from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.pytorch_to_onnx import FILE, OPSET, check, export_script, first_line
from optimize.converters.pytorch_to_torchscript import FILE as SCRIPT
from optimize.errors import Unsupported

reads = "torchscript"
makes = "onnx"
libraries = ("torch", "onnx")


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    import torch

    script = torch.jit.load(model.path / SCRIPT, map_location="cpu").eval()
    tensors = tuple(torch.from_numpy(examples[name]) for name in model.signature.input_names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export_script(script, model.signature, tensors, output / FILE)
        check(output / FILE, model.signature)
    except Exception as error:
        # The exporter raises whatever its passes raise about this script.
        raise Unsupported(f"torch.onnx.export of TorchScript: {type(error).__name__}: {first_line(error)}") from error
    return Made(f"torch.onnx.export of TorchScript, opset {OPSET}")
