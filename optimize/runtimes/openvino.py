"""OpenVINO's intermediate representation in OpenVINO, on the CPU, computed in float32 unless the model is marked."""

from __future__ import annotations

import sys
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.stages import RuntimeSettings

reads = "openvino"
libraries = ("openvino",)
FILE = "model.xml"
PRECISION = ("optimize", "precision")
"""Where a model says, in its own information, what else it is computed in. The bundle's handler reads it, too."""


def leave_telemetry_out() -> None:
    """`import openvino` reports itself over the network (2026.4); without this package it, and NNCF, report nothing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def prepare(settings: RuntimeSettings) -> None:
    leave_telemetry_out()
    # The converters, half of the time of the import, which OpenVINO does without where they are not installed.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    import openvino  # noqa: F401 - imported in this phase, used in the next


def read(model: Artifact) -> Any:
    from openvino import Core

    return Core().read_model(model.path / FILE)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> OpenvinoSession:
    from openvino import Core

    return OpenvinoSession(Core().compile_model(loaded, "CPU", properties(settings.threads, precision(loaded))), model)


def precision(loaded: Any) -> str:
    return str(loaded.get_rt_info(list(PRECISION)).astype(str)) if loaded.has_rt_info(list(PRECISION)) else "f32"


def properties(threads: int, precision: str = "f32") -> dict[str, Any]:
    """Without the first, float32 models are computed in bfloat16 on processors that have it. Pinned to the first cores,
    the processes of one machine would share those and leave the others idle."""
    return {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}


class OpenvinoSession:
    def __init__(self, compiled: Any, model: Artifact) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = model.signature.output_names
        self.threads: int | None = compiled.get_property("INFERENCE_NUM_THREADS")

    def run(self, inputs: Arrays) -> Arrays:
        # The inputs are read where they are; the outputs are copied, since the next run writes into theirs.
        result = self._request.infer(dict(inputs), share_inputs=True, share_outputs=False)
        return {name: result[name] for name in self._outputs}
