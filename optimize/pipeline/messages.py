"""What is said of a section of the pipeline file that is wrong: where, what, and what to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from optimize.pipeline.wording import in_words, nearest

Checked = TypeVar("Checked", bound=BaseModel)

EXAMPLES = {
    "source": "source: {kind: pytorch, factory: model.py:Net, weights: weights.safetensors, "
    "inputs: {x: {dtype: float32, shape: [batch, 4]}}}",
    "data": "data: {calibration: calibration.npz, evaluation: {file: evaluation.npz, labels: label}}",
    "candidates": "candidates: {formats: [torchscript, onnx, saved_model], quantization: [none, dynamic, static]}",
    "gates": "gates: {accuracy_drop: 0.01, size_mb: 50}",
    "tolerances": "tolerances: {int8: {cosine: 0.97, top1: 0.95}}",
    "benchmark": "benchmark: {processes: 5, threads: 1, budget_s: 10}",
    "limits": "limits: {time_s: 600, memory_mb: 4000}",
    "bundle": "bundle: {container: auto, output: build/model.tar.gz, image: pytorch-inference:2.6.0}",
    "inputs": "inputs: {image: {dtype: float32, shape: [batch, 1, 8, 8]}}",
    "evaluation": "evaluation: {file: evaluation.npz, labels: label, metric: accuracy}",
}
"""Shown beside a message about that section."""


def validate(
    model: type[Checked],
    data: Mapping[str, Any],
    prefix: str,
    path: Path,
    lines: Mapping[str, int],
    problems: list[str],
) -> Checked | None:
    """None where it is wrong, with a message for each problem added to `problems`. `prefix` is the section's key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems += [_describe(model, item, prefix, path, lines) for item in _causes(error)]
        return None


def _causes(error: ValidationError) -> list[Mapping[str, Any]]:
    """Without what only follows from an error inside: a list is too short where its one element is refused."""
    items: list[Mapping[str, Any]] = list(error.errors(include_url=False))
    inner = {item["loc"][:-1] for item in items}
    return [item for item in items if not (item["type"] == "too_short" and item["loc"] in inner)]


def _describe(
    model: type[BaseModel], item: Mapping[str, Any], prefix: str, path: Path, lines: Mapping[str, int]
) -> str:
    key = ".".join(map(str, ([prefix] if prefix else []) + list(item["loc"])))
    where = f"{path}{line_of(key, lines)}: {key}"
    if item["type"] == "extra_forbidden":
        parent, _, name = key.rpartition(".")
        valid = _fields_at(model, item["loc"][:-1])
        return f"{where}: unknown key{nearest(name, valid)}; valid here: {', '.join(valid)}{_example(parent)}"
    if item["type"] == "missing":
        return f"{where}: missing{_example(key) or _example(key.rpartition('.')[0])}"
    return f"{where}: {in_words(item)}{_example(key)}"


def _example(key: str) -> str:
    last = key.rpartition(".")[2]
    return f"\n    for example: {EXAMPLES[last]}" if last in EXAMPLES else ""


def _fields_at(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Names of the fields of the model that stands at `loc` below `model`."""
    here: Any = model
    for part in loc:
        if not (isinstance(here, type) and issubclass(here, BaseModel)):
            return []
        field = here.model_fields.get(str(part))
        inner = _models_in(field.annotation) if field else _models_in(here)
        here = inner[0] if inner else None
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, dict) or get_args(annotation):
        return [model for inner in get_args(annotation) for model in _models_in(inner)]
    return []


def line_of(key: str, lines: Mapping[str, int]) -> str:
    """`:12` for the key, or for the nearest section above it; nothing for what was given on the command line."""
    while key and key not in lines:
        key = key.rpartition(".")[0]
    line = lines.get(key)
    return f":{line}" if line else (" (-o)" if line == 0 else "")
