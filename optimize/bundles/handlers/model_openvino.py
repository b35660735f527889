"""`model.xml`, run by OpenVINO."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from bundle_wire import Arrays, Settings

# OpenVINO's converters report the import of OpenVINO over the network; it does without them.
sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
from openvino import Core  # noqa: E402

FILE = "model.xml"
WRONG_VALUES = (RuntimeError,)
SIZES = 4
"""Compiled for themselves, where that is asked for: those that come first, and before them what warms the model up."""


class Model:
    """One request at a time; the server's workers are processes."""

    def __init__(self, path: Path, settings: Settings, threads: int) -> None:
        # In float32, or as the model is marked, as it was checked; not bound to the cores of another worker.
        self._loaded, mark = Core().read_model(path), ["optimize", "precision"]
        self._told = {
            "INFERENCE_PRECISION_HINT": self._loaded.get_rt_info(mark).astype(str)
            if self._loaded.has_rt_info(mark)
            else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        self._outputs = [spec.name for spec in settings.outputs]
        self._fixed: dict[tuple[Any, ...], Any] | None = {} if settings.options.get("fixed_sizes") else None
        self._any: Any = None if self._fixed is not None else self._compile(self._loaded)
        self._lock = threading.Lock()

    def run(self, inputs: Arrays) -> Arrays:
        with self._lock:
            result = self._request(inputs).infer(inputs, share_inputs=True, share_outputs=False)
        return {name: result[name] for name in self._outputs}

    def _request(self, inputs: Arrays) -> Any:
        if self._fixed is not None:
            sizes = tuple((name, inputs[name].shape) for name in sorted(inputs))
            if sizes not in self._fixed and len(self._fixed) < SIZES:
                fixed = self._loaded.clone()
                fixed.reshape({name: list(shape) for name, shape in sizes})
                self._fixed[sizes] = self._compile(fixed)
            if sizes in self._fixed:
                return self._fixed[sizes]
        self._any = self._any or self._compile(self._loaded)
        return self._any

    def _compile(self, model: Any) -> Any:
        return Core().compile_model(model, "CPU", self._told).create_infer_request()
