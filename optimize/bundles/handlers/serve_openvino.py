"""Serves `model.xml` with OpenVINO: the four functions that SageMaker's inference toolkit calls."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from bundle_metrics import Metrics
from bundle_wire import Arrays, Refused, decode, encode, read_settings, warm_up_inputs

# OpenVINO's converters report the import of OpenVINO over the network; it does without them.
sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
from openvino import Core  # noqa: E402

SETTINGS = read_settings(Path(__file__).parent / "signature.json")
OUTPUTS = [spec.name for spec in SETTINGS.outputs]
METRICS = Metrics("model.xml")


class Model:
    """One request object, so one inference at a time; the server's workers are processes."""

    def __init__(self, path: Path) -> None:
        # In float32, or as the model is marked, as it was checked; not bound to the cores of another worker.
        loaded, mark = Core().read_model(path), ["optimize", "precision"]
        properties = {
            "INFERENCE_PRECISION_HINT": loaded.get_rt_info(mark).astype(str) if loaded.has_rt_info(mark) else "f32",
            "INFERENCE_NUM_THREADS": SETTINGS.threads,
            "ENABLE_CPU_PINNING": False,
        }
        self._request = Core().compile_model(loaded, "CPU", properties).create_infer_request()
        self._lock = threading.Lock()

    def run(self, inputs: Arrays) -> Arrays:
        with self._lock:
            result = self._request.infer(inputs, share_inputs=True, share_outputs=False)
        return {name: result[name] for name in OUTPUTS}


def model_fn(model_dir: str) -> Model:
    """Loads the model and runs it twice, so that the first request is not the slow one."""
    started = time.perf_counter()
    model = Model(Path(model_dir) / "model.xml")
    inputs = warm_up_inputs(SETTINGS)
    for _ in range(2 if inputs else 0):
        model.run(inputs or {})
    METRICS.put("LoadTime", time.perf_counter() - started)
    return model


def input_fn(body: bytes | str, content_type: str) -> Arrays:
    return decode(body, content_type, SETTINGS)


def predict_fn(inputs: Arrays, model: Any) -> Arrays:
    started = time.perf_counter()
    try:
        answers: Arrays = model.run(inputs)
    except RuntimeError as error:  # Names, dtypes and shapes have been checked; this is about a value or a size.
        raise Refused(f"the model cannot take these values: {error}") from None
    METRICS.put("ModelLatency", time.perf_counter() - started)
    return answers


def output_fn(outputs: Arrays, accept: str) -> tuple[bytes, str]:
    answer: tuple[bytes, str] = encode(outputs, accept)
    return answer
