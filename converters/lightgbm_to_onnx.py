"""LightGBM to ONNX by onnxmltools."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import onnx_finishing
from optimize.converters.estimator_graph import save_fitted, typed_inputs
from optimize.errors import Unsupported

reads = "lightgbm"
makes = "onnx"
libraries = ("onnxmltools", "lightgbm", "onnx", "onnxruntime")
FILE = "model.onnx"
options = onnx_finishing.Options
OPSET = 15
"""The last that onnxmltools 1.16 knows."""


def convert(model: Artifact, examples: Arrays, output: Path, options: onnx_finishing.Options) -> Made:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common import data_types

    from optimize.sources.lightgbm import load_booster

    inputs = typed_inputs(model.signature, data_types)
    opset = options.opset_of(OPSET)
    try:
        made = convert_lightgbm(load_booster(model), initial_types=inputs, target_opset=opset, zipmap=False)
    except Exception as error:
        raise Unsupported(f"onnxmltools: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    return Made(f"onnxmltools, {save_fitted(made, model.signature, output / FILE, options)}")
