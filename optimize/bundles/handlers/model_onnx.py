"""`model.onnx`, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
from bundle_wire import Arrays, Settings
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

FILE = "model.onnx"
WRONG_VALUES = (Fail, InvalidArgument)
"""An index out of range, a category that an encoder does not know."""


def set_options(options: Any, told: dict[str, Any]) -> None:
    """What the model was measured with, where it is not the default."""
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = {
        "disabled": levels.ORT_DISABLE_ALL, "basic": levels.ORT_ENABLE_BASIC, "extended": levels.ORT_ENABLE_EXTENDED,
        "all": levels.ORT_ENABLE_ALL,
    }[told.get("graph_optimization", "all")]  # fmt: skip
    options.enable_cpu_mem_arena = told.get("arena", True)
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(told.get("spinning", True))))


class Model:
    def __init__(self, path: Path, settings: Settings, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        set_options(options, settings.options)
        self._outputs = [spec.name for spec in settings.outputs]
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, inputs: Arrays) -> Arrays:
        answers = self._session.run(self._outputs, inputs)
        return {name: a.astype(str) if a.dtype == object else a for name, a in zip(self._outputs, answers, strict=True)}
