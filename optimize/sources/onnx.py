"""An ONNX file, run by ONNX Runtime without any optimization of its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources.base import SourceOptions
from optimize.stages import RuntimeSettings

kind = "onnx"
libraries = ("onnx", "onnxruntime")
read_as = ()

DTYPE = {
    "tensor(bool)": "bool", "tensor(int8)": "int8", "tensor(int16)": "int16", "tensor(int32)": "int32",
    "tensor(int64)": "int64", "tensor(uint8)": "uint8", "tensor(float16)": "float16", "tensor(float)": "float32",
    "tensor(double)": "float64",
}  # fmt: skip


class Options(SourceOptions):
    """An ONNX model; its signature is its own unless `inputs` says otherwise."""

    kind: Literal["onnx"] = "onnx"
    file: str
    """The `.onnx` file; external data is found beside it."""

    def paths(self) -> dict[str, str]:
        return {"file": self.file}

    def content(self, base: Path) -> dict[str, tuple[Path, ...]]:
        # Which files hold external data stands inside the model; every plausible one counts rather than none.
        file = base / self.file
        return {"file": (file, *sorted(p for p in file.parent.glob(f"{file.stem}*") if p.suffix in (".data", ".bin")))}


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
    try:
        session = onnxruntime.InferenceSession(loaded, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises bare pybind classes with no common base.
        raise UserError(f"{loaded} is not a model ONNX Runtime can load: {_short(error)}", "source.file") from error
    return OnnxSource(session, model.signature)


class OnnxSource:
    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self.signature = Signature(signature.inputs or tuple(map(_spec, session.get_inputs())))
        self.threads: int | None = session.get_session_options().intra_op_num_threads

    def run(self, inputs: Arrays) -> Arrays:
        names = [output.name for output in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(names, inputs), strict=True))
        except Exception as error:
            raise UserError(f"the model refuses its signature: {_short(error)}", "source.inputs") from error


def _spec(value: Any) -> TensorSpec:
    if value.type not in DTYPE:
        raise UserError(f"input {value.name} is {value.type}, which this tool does not carry", "source.file")
    shape = tuple(d if isinstance(d, int) and d > 0 else _dimension(d, i) for i, d in enumerate(value.shape))
    return TensorSpec(value.name, DTYPE[value.type], shape)


def _dimension(name: object, axis: int) -> str:
    if isinstance(name, str) and name.isidentifier():
        return name
    return "batch" if axis == 0 else f"dim_{axis}"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
