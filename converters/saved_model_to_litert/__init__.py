"""SavedModel to LiteRT's flat file by TensorFlow's own converter, and tried in the interpreter that will serve it.

Only LiteRT's own operators are used: its Python package has none of those of TensorFlow (TF Select, Flex).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.saved_model_to_litert import large
from optimize.errors import Unsupported
from optimize.golden import take
from optimize.runtimes.lean_tensorflow import leave_keras_out, prepare_environment
from optimize.runtimes.litert import FILE, SIGNATURE, LitertSession
from optimize.samples import Samples
from optimize.signature import Signature

reads = "saved_model"
makes = "litert"
libraries = ("tensorflow-cpu", "tensorflow", "ai-edge-litert")
MOST_DIMENSIONS = 8
"""Of its arithmetic (TensorFlow 2.21): of nine, it has no Mul."""


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    write(model, examples, output, {})
    return Made("TFLiteConverter, LiteRT's own operators")


def write(model: Artifact, examples: Arrays, output: Path, options: dict[str, Any]) -> Any:
    """`options` are attributes of the converter. Gives the interpreter that the model has run in; raises Unsupported
    where it is not converted, or does not run."""
    if options or not _write_around(model.path, output / FILE):
        (output / FILE).write_bytes(_convert(model.path, model.signature, options))
    return _try_out(output / FILE, model.signature, examples)


def load_tensorflow() -> Any:
    prepare_environment()
    leave_keras_out()
    import tensorflow

    return tensorflow


def _write_around(path: Path, file: Path) -> bool:
    """The large weights around the converter; False where there are few, or none that can be."""
    load_tensorflow()
    return large.is_worth_it(path) and large.write(path, SIGNATURE, file, _convert_small)


def _convert_small(folder: str) -> bytes | None:
    """None where it is refused, as the model itself will be, and for reasons that are then told of that."""
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        content: bytes = _converter(folder).convert()
    except ConverterError:
        return None
    return content


def _converter(folder: str) -> Any:
    return load_tensorflow().lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])


def _convert(path: Path, signature: Signature, options: dict[str, Any]) -> bytes:
    converter = _converter(str(path))
    from tensorflow.lite.python.convert_phase import ConverterError

    for name, value in options.items():
        setattr(converter, name, value)
    try:
        content: bytes = converter.convert()
    except ConverterError as error:
        cause = _cause(str(error), signature)
        raise Unsupported(f"TensorFlow's converter to LiteRT refuses the model: {cause}") from error
    return content


def _cause(text: str, signature: Signature) -> str:
    """The operators it has no counterpart for, or the first line that tells of an error."""
    if "'tf.TensorListReserve' op requires element_shape to be static" in text:
        return (
            "the list that a recurrent layer fills needs rows of a fixed size ('tf.TensorListReserve' op requires "
            "element_shape to be static); give the batch a size in source.inputs: [1, sequence]"
        )
    operators = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", text)))
    if operators:
        return f"LiteRT has no {', '.join(operators)}{_beyond(signature)}"
    # A line begins with the place in the graph, in nested parentheses.
    lines = [re.sub(r"^.*error: (loc\(.*\)\)?: )?", "", line) for line in text.splitlines() if "error:" in line]
    return (lines or text.strip().splitlines())[0].strip()[:300]


def _beyond(signature: Signature) -> str:
    """What of the signature is more than its operators take."""
    if signature.text_names:
        return (
            f" for text, and of dtype str is {', '.join(signature.text_names)}; encode text as numbers before the "
            f"model, or take onnx or saved_model"
        )
    many = [f"{spec.name} has {len(spec.shape)}" for spec in signature.inputs if len(spec.shape) > MOST_DIMENSIONS]
    return f" of more than {MOST_DIMENSIONS} dimensions, and {', '.join(many)}; join some of them" if many else ""


def _try_out(path: Path, signature: Signature, examples: Arrays) -> Any:
    """At the sizes of the examples and at smaller ones: some models are converted, and cannot be resized."""
    from ai_edge_litert.interpreter import Interpreter

    sizes = {
        dimension: max(1, size * 2 // 3)
        for spec in signature.inputs
        for dimension, size in zip(spec.shape, examples[spec.name].shape, strict=True)
        if isinstance(dimension, str)
    }
    interpreter = Interpreter(str(path))
    session = LitertSession(interpreter)
    for inputs in (examples, take(signature, Samples(examples), sizes)):
        try:
            session.run(inputs)
        except (RuntimeError, ValueError) as error:
            shapes = ", ".join(f"{name}{list(array.shape)}" for name, array in inputs.items())
            reason = " ".join(str(error).split())[:300]
            raise Unsupported(f"LiteRT converted the model and cannot run it at {shapes}: {reason}") from error
    return interpreter
