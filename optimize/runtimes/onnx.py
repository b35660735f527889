"""ONNX in ONNX Runtime on the CPU."""

from __future__ import annotations

from typing import Any

from optimize.arrays import Arrays, as_text
from optimize.artifact import Artifact
from optimize.stages import RuntimeSettings

reads = "onnx"
libraries = ("onnxruntime",)
FILE = "model.onnx"


def prepare(settings: RuntimeSettings) -> None:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)


def read(model: Artifact) -> Any:
    # External data is found relative to the file, so a model that has some is given by its path.
    path = model.path / FILE
    return str(path) if any(path.parent.glob("*.data")) else path.read_bytes()


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> OnnxSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(loaded, options, providers=["CPUExecutionProvider"])
    return OnnxSession(session, model)


class OnnxSession:
    def __init__(self, session: Any, model: Artifact) -> None:
        self._session = session
        self._outputs = list(model.signature.output_names)
        self.threads: int | None = session.get_session_options().intra_op_num_threads

    def run(self, inputs: Arrays) -> Arrays:
        return dict(zip(self._outputs, map(as_text, self._session.run(self._outputs, inputs)), strict=True))
