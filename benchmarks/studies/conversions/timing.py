"""Seconds of a step's process, and of one that makes the library's bare call, in pairs, one after the other."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from optimize.benchmarks.studies.conversions import bare, models
from optimize.benchmarks.studies.conversions.running import again, bare_call, carry_out, python, seconds
from optimize.execution.events import StepResult

ROWS = 32
Steps = Mapping[str, StepResult]


@dataclass(frozen=True)
class Case:
    """Of a step with this title; `code` is the bare call, in which `{onnx}` is the folder that `convert onnx` made."""

    name: str
    title: str
    code: str


def _pytorch(folder: Path) -> Steps:
    (folder / "model.py").write_text(models.MODULES, encoding="utf-8")
    if not (folder / "rows.npz").exists():
        python(folder, models.WEIGHTS, "resnet50")
        pixels = np.random.default_rng(0).standard_normal((ROWS, 3, 224, 224)).astype(np.float32)
        np.savez(folder / "rows.npz", pixels=pixels)
    inputs = {"pixels": {"dtype": "float32", "shape": ["batch", 3, 224, 224]}}
    source = {
        "kind": "pytorch",
        "factory": "model.py:resnet50",
        "weights": "weights.safetensors",
        "inputs": inputs,
    }
    formats = ("torchscript", "onnx", "saved_model", "exported_program", "openvino", "litert")
    return carry_out(folder, source, formats, ("none", "dynamic", "static"), data={"calibration": "rows.npz"})


def _keras(folder: Path) -> Steps:
    if not (folder / "model.keras").exists():
        python(folder, models.APPLICATION + "model.save('model.keras')", "ResNet50")
    return carry_out(folder, {"kind": "keras", "file": "model.keras"}, ("saved_model", "onnx"))


def _sklearn(folder: Path) -> Steps:
    if not (folder / "model.joblib").exists():
        python(folder, models.PIPELINE)
    return carry_out(folder, {"kind": "sklearn", "file": "model.joblib", "trust": True}, ("onnx",))


SOURCES: Mapping[str, tuple[Callable[[Path], Steps], tuple[Case, ...]]] = {
    "pytorch": (
        _pytorch,
        (
            Case("torchscript", "convert torchscript", bare.TORCHSCRIPT),
            Case("onnx", "convert onnx", bare.ONNX),
            Case("exported_program", "convert exported_program", bare.EXPORTED_PROGRAM),
            Case("openvino", "convert openvino", bare.OPENVINO),
            Case("litert", "convert litert", bare.LITERT),
            Case("torchscript-dynamic", "quantize torchscript-dynamic", bare.TORCHSCRIPT_DYNAMIC),
            Case("onnx-dynamic", "quantize onnx-dynamic", bare.ONNX_DYNAMIC),
            Case("onnx-static", "quantize onnx-static", bare.ONNX_STATIC),
            Case("openvino-static", "quantize openvino-static", bare.OPENVINO_STATIC),
            Case("litert-dynamic", "quantize litert-dynamic", bare.LITERT_DYNAMIC),
        ),
    ),
    "keras": (
        _keras,
        (
            Case("keras-saved_model", "convert saved_model", bare.KERAS_SAVED_MODEL),
            Case("keras-onnx", "convert onnx", bare.KERAS_ONNX),
        ),
    ),
    "sklearn": (_sklearn, (Case("sklearn-onnx", "convert onnx", bare.SKLEARN),)),
}


def study(folder: Path, only: Sequence[str], pairs: int) -> None:
    for kind, (make, cases) in SOURCES.items():
        wanted = [case for case in cases if not only or case.name in only]
        if wanted:
            place = folder / kind
            place.mkdir(parents=True, exist_ok=True)
            steps = make(place)
            for case in wanted:
                _compare(place, case, steps, pairs)


def _compare(folder: Path, case: Case, steps: Steps, count: int) -> None:
    made = {t.removeprefix("convert "): str(s.made.files) for t, s in steps.items() if t.startswith("convert ")}
    call = bare_call(reduce(lambda code, one: code.replace(f"{{{one[0]}}}", one[1]), made.items(), case.code))
    pairs = []
    for index in range(count):
        place = folder / f"again-{case.name}-{index}"
        pairs.append((again(steps[case.title], place), seconds(folder, call)))
    ours, bare_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    over = statistics.median(one - other for one, other in pairs)
    told = ", ".join(f"{one:.1f}/{other:.1f}" for one, other in pairs)
    print(f"{case.name}: {ours:.1f} and {bare_s:.1f} s, {over:+.1f} s ({over / bare_s:+.0%}); {told}", flush=True)
