"""The rules, family by family. Importing this package loads TensorFlow."""

from __future__ import annotations

from optimize.converters.onnx_to_saved_model.rules import (
    activation,
    arithmetic,
    control_flow,
    convolution,
    indexing,
    linear_algebra,
    machine_learning,
    normalization,
    pooling,
    quantization,
    recurrent,
    reduction,
    resize,
    shape,
    trees,
)
from optimize.converters.onnx_to_saved_model.rules.registry import RULES

FAMILIES = (
    activation,
    arithmetic,
    control_flow,
    convolution,
    indexing,
    linear_algebra,
    machine_learning,
    normalization,
    pooling,
    quantization,
    recurrent,
    reduction,
    resize,
    shape,
    trees,
)

__all__ = ["FAMILIES", "RULES"]
