"""An ONNX file, run by ONNX Runtime without any optimization of its graph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from optimize.arrays import Arrays, as_text
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources.base import SourceOptions
from optimize.sources.onnx_files import external_files
from optimize.stages import RuntimeSettings

kind = "onnx"
libraries = ("onnx", "onnxruntime")
read_as = ()

DTYPE = {
    "tensor(bool)": "bool", "tensor(int8)": "int8", "tensor(int16)": "int16", "tensor(int32)": "int32",
    "tensor(int64)": "int64", "tensor(uint8)": "uint8", "tensor(float16)": "float16", "tensor(float)": "float32",
    "tensor(double)": "float64", "tensor(string)": "str",
}  # fmt: skip


class Options(SourceOptions):
    """An ONNX model; its signature is its own unless `inputs` says otherwise."""

    kind: Literal["onnx"] = "onnx"
    file: str
    """The `.onnx` file; external data is found beside it."""

    def paths(self) -> dict[str, str]:
        return {"file": self.file}

    def content(self, base: Path) -> dict[str, tuple[Path, ...]]:
        file = base / self.file
        return {"file": (file, *external_files(file))}


def prepare(settings: RuntimeSettings) -> None:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)


def read(model: Artifact) -> Any:
    return str(model.path / model.options["file"])


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> OnnxSource:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Prepacked weights are a second copy of them: 4.5 GB instead of 2.3 for a matrix of 2.2 GB.
    options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        session = onnxruntime.InferenceSession(loaded, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises bare pybind classes with no common base.
        raise UserError(f"{loaded} {_refusal(str(error))}", "source.file") from error
    return OnnxSource(session, model.signature)


class OnnxSource:
    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self.signature = Signature(signature.inputs or tuple(map(_spec, session.get_inputs())))
        self.threads: int | None = session.get_session_options().intra_op_num_threads

    def run(self, inputs: Arrays) -> Arrays:
        names = [output.name for output in self._session.get_outputs()]
        try:
            return dict(zip(names, map(as_text, self._session.run(names, inputs)), strict=True))
        except Exception as error:
            raise UserError(f"the model refuses its signature: {_short(error)}", "source.inputs") from error


def _spec(value: Any) -> TensorSpec:
    if value.type not in DTYPE:
        raise UserError(f"input {value.name} is {value.type}, which this tool does not carry", "source.file")
    if 0 in value.shape:
        raise UserError(
            f"input {value.name} has the shape {value.shape}: an input of no elements asks for nothing; "
            "export the model with a size above 0, or a free one",
            "source.file",
        )
    shape = tuple(d if isinstance(d, int) and d > 0 else _dimension(d, i) for i, d in enumerate(value.shape))
    return TensorSpec(value.name, DTYPE[value.type], shape)


def _dimension(name: object, axis: int) -> str:
    if isinstance(name, str) and name.isidentifier():
        return name
    return "batch" if axis == 0 else f"dim_{axis}"


_REFUSALS = (
    (
        r"(?:Fatal error: |No Op registered for )(?P<domain>[\w.]+:)?(?P<operator>\w+)(?:\(|\s).*",
        "uses the operator {domain}{operator}, which ONNX Runtime {version} does not have; "
        "export the model without operators of its own",
    ),
    (
        r"Opset (?P<given>\d+) is under development.*till opset (?P<read>\d+)",
        "is written in opset {given}, and ONNX Runtime {version} reads up to opset {read}; "
        "export it with `opset_version={read}`, or install a newer onnxruntime",
    ),
    (
        r"Unsupported model IR version: (?P<given>\d+), max supported IR version: (?P<read>\d+)",
        "has IR version {given}, and ONNX Runtime {version} reads up to {read}; "
        "save it again with `model.ir_version = {read}`, or install a newer onnxruntime",
    ),
)
"""What ONNX Runtime says, and what that means to whoever has the file."""


def _refusal(message: str) -> str:
    import onnxruntime

    for pattern, words in _REFUSALS:
        found = re.search(pattern, message, re.DOTALL)
        if found:
            parts = {name: part or "" for name, part in found.groupdict().items()}
            return words.format(version=onnxruntime.__version__, **parts)
    return f"is not a model ONNX Runtime can load: {' '.join(message.split())[:300]}"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
