"""Serves `model.pt` with libtorch: the four functions that SageMaker's inference toolkit calls."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from bundle_metrics import Metrics
from bundle_wire import Arrays, Refused, decode, encode, read_settings, warm_up_inputs

SETTINGS = read_settings(Path(__file__).parent / "signature.json")
METRICS = Metrics("model.pt")


def model_fn(model_dir: str) -> Any:
    """Loads the model and runs it twice (the second run is the one libtorch optimizes)."""
    started = time.perf_counter()
    torch.set_num_threads(SETTINGS.threads)
    model = torch.jit.load(str(Path(model_dir) / "model.pt"), map_location="cpu").eval()
    inputs = warm_up_inputs(SETTINGS)
    for _ in range(2 if inputs else 0):
        _run(model, inputs or {})
    METRICS.put("LoadTime", time.perf_counter() - started)
    return model


def input_fn(body: bytes | str, content_type: str) -> Arrays:
    # Torch refuses to share memory that cannot be written, which the bytes of a request are.
    return {name: array.copy() for name, array in decode(body, content_type, SETTINGS).items()}


def predict_fn(inputs: Arrays, model: Any) -> Arrays:
    started = time.perf_counter()
    try:
        answers = _run(model, inputs)
    except IndexError as error:  # Names, dtypes and shapes have been checked; this is about a value.
        raise Refused(f"the model cannot take these values: {error}") from None
    METRICS.put("ModelLatency", time.perf_counter() - started)
    return answers


def _run(model: Any, inputs: Arrays) -> Arrays:
    with torch.inference_mode():
        result = model(*(torch.from_numpy(inputs[spec.name]) for spec in SETTINGS.inputs))
    tensors = (result,) if isinstance(result, torch.Tensor) else result
    return {spec.name: tensor.numpy() for spec, tensor in zip(SETTINGS.outputs, tensors, strict=True)}


def output_fn(outputs: Arrays, accept: str) -> tuple[bytes, str]:
    answer: tuple[bytes, str] = encode(outputs, accept)
    return answer
