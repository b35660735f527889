"""OpenVINO's intermediate representation in OpenVINO, on the CPU, computed in float32 unless the model is marked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.stages import RuntimeSettings

reads = "openvino"
libraries = ("openvino",)
FILE = "model.xml"
PRECISION = ("optimize", "precision")
"""Where a model says, in its own information, what else it is computed in. The bundle's handler reads it, too."""
SIZES = 4
"""Compiled for themselves; every one holds the weights in its own layout."""


@dataclass(frozen=True)
class Options:
    """What OpenVINO can be told besides its threads."""

    fixed_sizes: bool = False
    """The model is compiled for the very sizes of the inputs that come, at the first call of each: for the first four,
    after which one compilation takes any size."""


tuning: tuple[dict[str, Any], ...] = ({"fixed_sizes": True},)
"""In int8, with one thread, 0.93 of the time on MobileNetV2 and 0.99 on ResNet-50 and ViT-base against the same method
with a free batch (2026.4, docs/quantization-study.md)."""


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
    told = properties(settings.threads, precision(loaded))
    return OpenvinoSession(loaded, told, model, Options(**settings.options).fixed_sizes)


def precision(loaded: Any) -> str:
    return str(loaded.get_rt_info(list(PRECISION)).astype(str)) if loaded.has_rt_info(list(PRECISION)) else "f32"


def properties(threads: int, precision: str = "f32") -> dict[str, Any]:
    """Without the first, float32 models are computed in bfloat16 on processors that have it. Pinned to the first cores,
    the processes of one machine would share those and leave the others idle."""
    return {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}


class OpenvinoSession:
    """As `handlers/model_openvino.py` does it in a bundle."""

    def __init__(self, loaded: Any, told: dict[str, Any], model: Artifact, fixed_sizes: bool) -> None:
        self._loaded, self._told = loaded, told
        self._outputs = model.signature.output_names
        self._fixed: dict[tuple[Any, ...], Any] | None = {} if fixed_sizes else None
        self._any: Any = None
        self.threads: int | None = None
        if not fixed_sizes:
            self._any = self._compile(loaded)

    def run(self, inputs: Arrays) -> Arrays:
        # The inputs are read where they are; the outputs are copied, since the next run writes into theirs.
        result = self._request(inputs).infer(dict(inputs), share_inputs=True, share_outputs=False)
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
        from openvino import Core

        compiled = Core().compile_model(model, "CPU", self._told)
        self.threads = compiled.get_property("INFERENCE_NUM_THREADS")
        return compiled.create_infer_request()
