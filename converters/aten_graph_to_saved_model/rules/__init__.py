"""The rules, family by family. Importing this package loads TensorFlow."""

from __future__ import annotations

from optimize.converters.aten_graph_to_saved_model.rules import (
    activation,
    arithmetic,
    attention,
    comparison,
    control_flow,
    convolution,
    creation,
    indexing,
    linear_algebra,
    normalization,
    pooling,
    recurrent,
    reduction,
    resize,
    selection,
    shape,
    sizes,
    sorting,
)
from optimize.converters.aten_graph_to_saved_model.rules.registry import RULES

FAMILIES = (
    activation,
    arithmetic,
    attention,
    comparison,
    control_flow,
    convolution,
    creation,
    indexing,
    linear_algebra,
    normalization,
    pooling,
    recurrent,
    reduction,
    resize,
    selection,
    shape,
    sizes,
    sorting,
)

__all__ = ["FAMILIES", "RULES"]
