"""What a row of the matrix is: a model in a folder, and the section of the pipeline file that names it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optimize.stages import runtimes
from tests.forked import ForkedWorkers

ZOOS = (
    "tests.matrix.zoo_pytorch",
    "tests.matrix.zoo_estimators",
    "tests.matrix.zoo_huggingface",
    "tests.matrix.zoo_onnx",
    "tests.matrix.zoo_torch_files",
    "tests.matrix.zoo_tensorflow",
    "tests.matrix.zoo_methods",
)
"""Modules with a tuple `CASES`. Importing one must load no framework: `make` functions import what they need."""


EVERY: tuple[str, ...] = ()
"""All formats that can be run."""
NOT_COMPILED = ("torchscript", "onnx", "saved_model", "openvino", "litert", "exported_program")
"""All but AOTInductor, which compiles the larger models for half a minute."""
NOT_TRACED = ("onnx", "saved_model", "openvino", "litert")
"""Nor what Keras' applications take longest for, under its torch backend."""


@dataclass(frozen=True)
class Case:
    """`make(folder)`, called in a process of its own, writes the model's files and gives the pipeline file's other
    sections (`source` at least; `data` where random inputs will not do)."""

    name: str
    kind: str
    make: str
    """`tests.matrix.zoo_pytorch:mlp`"""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments of `make`."""
    formats: tuple[str, ...] = EVERY
    quantization: tuple[str, ...] = ("none",)
    repeated: tuple[str, ...] = EVERY
    """The formats that the test repeats; the documents have all of `formats`."""
    causes: Mapping[str, str] = field(default_factory=dict)
    """Of candidates that end badly: why, where the report's own words cannot know it."""

    def to_repeat(self) -> Case:
        """As the test runs it."""
        wanted = [name for name in self.formats or runtimes() if not self.repeated or name in self.repeated]
        return replace(self, formats=tuple(wanted))

    def build(self, folder: Path, workers: ForkedWorkers) -> dict[str, Any]:
        family = "tensorflow" if self.kind in ("keras", "saved_model") else "torch"
        workers.call(family, self.make, folder, dict(self.changes))
        sections: dict[str, Any] = json.loads((folder / "returned.json").read_text(encoding="utf-8"))
        assert sections["source"]["kind"] == self.kind
        return sections


def all_cases() -> tuple[Case, ...]:
    return tuple(case for zoo in ZOOS for case in importlib.import_module(zoo).CASES)
