"""One model by every method of quantization that comes beside dynamic and static int8."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.matrix.case import Case
from tests.matrix.zoo_pytorch import IMAGE, case, module


def for_target(folder: Path, target: str, **model: Any) -> dict[str, Any]:
    """Of a machine that has the instructions, whichever machine this is."""
    return {**module(folder, **model), "target": target}


CASES = (
    replace(
        case("CNN by further methods", "cnn", IMAGE),
        formats=("onnx",), quantization=("smoothquant", "weight_only", "int4", "fp16"),
    ),
    Case(
        "BERT by Optimum", "huggingface", "tests.matrix.zoo_huggingface:bert", {},
        formats=("onnx",), quantization=("optimum",),
    ),
    replace(
        case("CNN in bfloat16", "cnn", IMAGE, target="ml.c7i.large"), make="tests.matrix.zoo_methods:for_target",
        formats=("torchscript", "openvino"), quantization=("bf16",),
    ),
)  # fmt: skip
