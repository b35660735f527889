"""One model by every method of quantization that comes beside dynamic and static int8."""

from __future__ import annotations

from dataclasses import replace

from tests.matrix.zoo_pytorch import IMAGE, case

CASES = (
    replace(
        case("CNN by further methods", "cnn", IMAGE),
        formats=("onnx",), quantization=("smoothquant", "weight_only", "int4", "fp16"),
    ),
)  # fmt: skip
