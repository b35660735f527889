"""`model.xml`, run by OpenVINO."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from bundle_wire import Arrays, Settings

# OpenVINO's converters report the import of OpenVINO over the network; it does without them.
sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
from openvino import Core  # noqa: E402

FILE = "model.xml"
WRONG_VALUES = (RuntimeError,)


class Model:
    """One request object, so one inference at a time; the server's workers are processes."""

    def __init__(self, path: Path, settings: Settings, threads: int) -> None:
        # In float32, or as the model is marked, as it was checked; not bound to the cores of another worker.
        loaded, mark = Core().read_model(path), ["optimize", "precision"]
        properties = {
            "INFERENCE_PRECISION_HINT": loaded.get_rt_info(mark).astype(str) if loaded.has_rt_info(mark) else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        self._outputs = [spec.name for spec in settings.outputs]
        self._request = Core().compile_model(loaded, "CPU", properties).create_infer_request()
        self._lock = threading.Lock()

    def run(self, inputs: Arrays) -> Arrays:
        with self._lock:
            result = self._request.infer(inputs, share_inputs=True, share_outputs=False)
        return {name: result[name] for name in self._outputs}
