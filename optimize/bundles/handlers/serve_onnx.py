"""Serves `model.onnx` with ONNX Runtime: the four functions that SageMaker's inference toolkit calls."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnxruntime
from bundle_metrics import Metrics
from bundle_wire import Arrays, Refused, decode, encode, read_settings, warm_up_inputs
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

SETTINGS = read_settings(Path(__file__).parent / "signature.json")
OUTPUTS = [spec.name for spec in SETTINGS.outputs]
METRICS = Metrics("model.onnx")


def model_fn(model_dir: str) -> Any:
    """Loads the model and runs it twice, so that the first request is not the slow one."""
    started = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = SETTINGS.threads
    options.inter_op_num_threads = 1
    set_options(options, SETTINGS.options)
    path = str(Path(model_dir) / "model.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = warm_up_inputs(SETTINGS)
    with suppress(Fail, InvalidArgument):  # Zeros may be none of the categories that an encoder knows.
        for _ in range(2 if inputs else 0):
            session.run(OUTPUTS, inputs)
    METRICS.put("LoadTime", time.perf_counter() - started)
    return session


def set_options(options: Any, told: dict[str, Any]) -> None:
    """What the model was measured with, where it is not the default."""
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = {
        "disabled": levels.ORT_DISABLE_ALL, "basic": levels.ORT_ENABLE_BASIC, "extended": levels.ORT_ENABLE_EXTENDED,
        "all": levels.ORT_ENABLE_ALL,
    }[told.get("graph_optimization", "all")]  # fmt: skip
    options.enable_cpu_mem_arena = told.get("arena", True)
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(told.get("spinning", True))))


def input_fn(body: bytes | str, content_type: str) -> Arrays:
    return decode(body, content_type, SETTINGS)


def predict_fn(inputs: Arrays, model: Any) -> Arrays:
    started = time.perf_counter()
    try:
        answers = model.run(OUTPUTS, inputs)
    except (Fail, InvalidArgument) as error:  # An index out of range, an unknown category: all else has been checked.
        raise Refused(f"the model cannot take these values: {error}") from None
    METRICS.put("ModelLatency", time.perf_counter() - started)
    return {name: a.astype(str) if a.dtype == object else a for name, a in zip(OUTPUTS, answers, strict=True)}


def output_fn(outputs: Arrays, accept: str) -> tuple[bytes, str]:
    answer: tuple[bytes, str] = encode(outputs, accept)
    return answer
