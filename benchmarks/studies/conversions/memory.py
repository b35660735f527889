"""Peak memory of loading a source and of each conversion, for a model of every kind, large enough that it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.benchmarks.studies.conversions import models
from optimize.benchmarks.studies.conversions.running import carry_out, python

X = {"x": {"dtype": "float32", "shape": ["batch", 4096]}}
PYTORCH = {"kind": "pytorch", "factory": "model.py:large", "inputs": X}
ALL = ("torchscript", "onnx", "saved_model", "exported_program", "openvino", "litert")


@dataclass(frozen=True)
class Case:
    """`code` writes what stands at `place`, the weights; `source` is a section of a pipeline file."""

    code: str
    place: str
    source: dict[str, Any]
    formats: tuple[str, ...]


CASES = {
    "safetensors": Case(
        models.WEIGHTS, "weights.safetensors", PYTORCH | {"weights": "weights.safetensors"}, (*ALL, "aotinductor")
    ),
    "checkpoint": Case(models.CHECKPOINT, "weights.pt", PYTORCH | {"weights": "weights.pt"}, ("torchscript", "onnx")),
    "torchscript": Case(
        models.TORCHSCRIPT, "model.pt", {"kind": "torchscript", "file": "model.pt", "inputs": X}, ALL
    ),
    "exported_program": Case(
        models.EXPORTED, "model.pt2", {"kind": "exported_program", "file": "model.pt2"}, (*ALL, "aotinductor")
    ),
    "convolutions": Case(
        models.CONVOLUTIONS, "model.pt2", {"kind": "exported_program", "file": "model.pt2"}, ("aotinductor",)
    ),
    "keras": Case(models.KERAS_FILE, "model.keras", {"kind": "keras", "file": "model.keras"}, ALL),
    "h5": Case(models.H5_FILE, "model.h5", {"kind": "keras", "file": "model.h5"}, ("saved_model", "onnx")),
    "saved_model": Case(
        models.SAVED_MODEL, "model", {"kind": "saved_model", "folder": "model"},
        ("saved_model", "onnx", "openvino", "litert"),
    ),
    "onnx": Case(
        models.ONNX, "model.onnx.data", {"kind": "onnx", "file": "model.onnx"},
        ("onnx", "saved_model", "openvino", "litert"),
    ),
    "huggingface": Case(models.HUGGINGFACE, "model", {"kind": "huggingface", "folder": "model"}, ALL),
    "forest": Case(
        models.FOREST, "model.joblib", {"kind": "sklearn", "file": "model.joblib", "trust": True},
        ("onnx", "saved_model"),
    ),
}  # fmt: skip


def study(folder: Path, only: Sequence[str], pairs: int) -> None:
    for name, case in CASES.items():
        if not only or name in only:
            _measure(folder / name, name, case)


def _measure(folder: Path, name: str, case: Case) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(models.MODULES, encoding="utf-8")
    if not (folder / case.place).exists():
        python(folder, case.code, "large")
    place = folder / case.place
    size = sum(file.stat().st_size for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file())
    print(f"{name}, {size / 1e9:.2f} GB:", flush=True)
    for title, step in carry_out(folder, case.source, case.formats).items():
        record = step.made.record
        peak, times = record["peak_bytes"], record["peak_bytes"] / size
        print(f"  {title}: peak {peak / 1e9:.2f} GB, {times:.2f} times, {record['seconds']:.0f} s", flush=True)
