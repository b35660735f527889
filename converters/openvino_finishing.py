"""What reading a model with OpenVINO, and saving it as its intermediate representation, have in common for every
format that it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.artifact import Made
from optimize.errors import Unsupported
from optimize.runtimes.openvino import FILE, leave_telemetry_out
from optimize.signature import Signature

MOST = 2**31 - 1
END = 2**62
"""Beyond it stands what means `to the end` in a slice, which OpenVINO knows."""


def read(path: Path, what: str) -> Any:
    """OpenVINO's model of the file or folder, which is `what` in the message. Raises Unsupported."""
    leave_telemetry_out()
    import openvino
    from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure

    failures = (GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure)
    try:
        converted = openvino.convert_model(path)
    except failures as error:
        raise Unsupported(f"OpenVINO cannot convert the {what}: {_cause(error)}") from error
    _check_numbers(converted)
    return converted


def save(converted: Any, signature: Signature, output: Path) -> Made:
    """Raises Unsupported where the model is not what the signature says."""
    _check(converted, signature)
    import openvino

    openvino.save_model(converted, output / FILE, compress_to_fp16=False)
    wide = [s.name for s in (*signature.inputs, *signature.outputs) if s.dtype in ("int64", "uint64")]
    notes = (f"computes whole numbers in 32 bits: {', '.join(wide)} must stay within ±{MOST}",) if wide else ()
    return Made(f"openvino.convert_model, {len(converted.get_ops())} operations", notes)


def check_text(signature: Signature) -> None:
    """Raises Unsupported where text goes in or comes out: the CPU plug-in computes with numbers."""
    if signature.text_names:
        raise Unsupported(
            f"OpenVINO computes no text, and of dtype str is {', '.join(signature.text_names)}; encode text as numbers "
            f"before the model, or take onnx or saved_model"
        )


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


def _check_numbers(converted: Any) -> None:
    """Raises Unsupported for a whole number that the CPU plug-in, which computes int64 as int32, would change."""
    import numpy as np

    for operation in converted.get_ops():
        if operation.get_type_name() == "Constant" and operation.get_element_type().to_string() == "i64":
            values = operation.get_data()
            large = values[(values > MOST) | (values < -MOST - 1)]
            lost = large[np.abs(large.astype(np.float64)) < END]
            if lost.size:
                raise Unsupported(
                    f"OpenVINO computes int64 in 32 bits, and the model holds {lost.flat[0]}; keep its numbers within "
                    f"±{MOST}"
                )
