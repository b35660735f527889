"""ONNX to OpenVINO's intermediate representation, weights in the precision they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.runtimes import onnx
from optimize.runtimes.openvino import FILE, leave_telemetry_out
from optimize.signature import Signature

reads = "onnx"
makes = "openvino"
libraries = ("openvino",)


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    leave_telemetry_out()
    import openvino
    from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure

    failures = (GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure)
    try:
        converted = openvino.convert_model(model.path / onnx.FILE)
    except failures as error:
        raise Unsupported(f"OpenVINO cannot convert the ONNX graph: {_cause(error)}") from error
    _check(converted, model.signature)
    openvino.save_model(converted, output / FILE, compress_to_fp16=False)
    return Made(f"openvino.convert_model, {len(converted.get_ops())} operations")


def _cause(error: Exception) -> str:
    """What OpenVINO's summary lists, or its last line; the lines above are about its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(line.removeprefix("-- ") for line in lines if line.startswith("-- ")) or lines[-1]


def _check(converted: Any, signature: Signature) -> None:
    """Raises Unsupported where a name was lost, or a named dimension has become a size."""
    shapes = {name: port.partial_shape for port in (*converted.inputs, *converted.outputs) for name in port.names}
    lost = [name for name in (*signature.input_names, *signature.output_names) if name not in shapes]
    if lost:
        raise Unsupported(f"OpenVINO's graph has no {', '.join(lost)}")
    for spec in signature.inputs:
        for dimension, size in zip(spec.shape, shapes[spec.name], strict=True):
            if isinstance(dimension, str) and size.is_static:
                raise Unsupported(f"dimension {dimension} of {spec.name} became {size} in OpenVINO's graph")
