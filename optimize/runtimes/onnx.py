"""ONNX in ONNX Runtime on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from optimize.arrays import Arrays, as_text
from optimize.artifact import Artifact
from optimize.stages import RuntimeSettings

reads = "onnx"
libraries = ("onnxruntime",)
FILE = "model.onnx"


@dataclass(frozen=True)
class Options:
    """What ONNX Runtime can be told besides its threads; the defaults are its own."""

    graph_optimization: Literal["disabled", "basic", "extended", "all"] = "all"
    """How far the graph is rewritten when it is loaded."""
    spinning: bool = True
    """Threads wait for work in a loop, which answers sooner and takes processor time from others."""
    arena: bool = True
    """Memory is taken from a pool that is kept, and grows to what the largest call needed."""


LEVELS = {
    "disabled": "ORT_DISABLE_ALL", "basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}  # fmt: skip
tuning: tuple[dict[str, Any], ...] = (
    {"spinning": False}, {"threads": 1}, {"graph_optimization": "extended"}, {"graph_optimization": "basic"},
    {"graph_optimization": "disabled"}, {"arena": False},
)  # fmt: skip
"""What moved ONNX Runtime's latency, most first (1.31: spinning 0.8 to 2.1, one thread 1.2 to 1.6, graph off up to
1.8 on CNNs)."""


def prepare(settings: RuntimeSettings) -> None:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)


def read(model: Artifact) -> Any:
    # External data is found relative to the file, so a model that has some is given by its path.
    path = model.path / FILE
    return str(path) if any(path.parent.glob("*.data")) else path.read_bytes()


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> OnnxSession:
    import onnxruntime

    session = onnxruntime.InferenceSession(loaded, session_options(settings), providers=["CPUExecutionProvider"])
    return OnnxSession(session, model)


def session_options(settings: RuntimeSettings) -> Any:
    """As `handlers/model_onnx.py` makes them in a bundle."""
    import onnxruntime

    told = Options(**settings.options)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[told.graph_optimization])
    options.enable_cpu_mem_arena = told.arena
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(told.spinning)))
    return options


class OnnxSession:
    def __init__(self, session: Any, model: Artifact) -> None:
        self._session = session
        self._outputs = list(model.signature.output_names)
        self.threads: int | None = session.get_session_options().intra_op_num_threads

    def run(self, inputs: Arrays) -> Arrays:
        return dict(zip(self._outputs, map(as_text, self._session.run(self._outputs, inputs)), strict=True))
