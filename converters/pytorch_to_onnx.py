"""PyTorch to ONNX: the exporter over torch.export first, then the older one, on the module or on its script."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import onnx_finishing
from optimize.converters.exporting import named_dimension
from optimize.converters.onnx_recurrence import join_directions, recurrent_translations
from optimize.converters.pytorch_to_torchscript import to_torchscript
from optimize.converters.traceable_layers import traceable_layers
from optimize.errors import Unsupported
from optimize.signature import Signature, TensorSpec

reads = "pytorch"
makes = "onnx"
libraries = ("torch", "onnx", "onnxscript", "onnxruntime")
FILE = "model.onnx"
options = onnx_finishing.Options
OPSET = 20
"""What the torch.export-based exporter of torch 2.13 writes without converting versions."""
INLINE_BYTES = 256_000_000
"""Larger weights go beside the file: written as a part of one message they take three times their size in memory, and
such a message holds less than 2 GB."""


def convert(model: Artifact, examples: Arrays, output: Path, options: onnx_finishing.Options) -> Made:
    from optimize.sources.modules import load_module

    failures: list[str] = []
    opset = options.opset_of(OPSET)
    for method, export in (
        ("torch.onnx.export over torch.export", _export),
        ("torch.onnx.export of TorchScript", _trace),
    ):
        module = load_module(model)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                export(module, model.signature, _fresh(model.signature, examples), output / FILE, opset)
            written = onnx_finishing.finish(output / FILE, options)
            check(output / FILE, model.signature)
        except Exception as error:  # noqa: BLE001
            # Either exporter raises whatever its passes raise; the other one is tried, and both causes are told.
            failures.append(f"{method}: {type(error).__name__}: {first_line(error)}")
            empty(output)
            continue
        return Made(f"{method}, {written}", tuple(f"failed first: {failure}" for failure in failures))
    raise Unsupported("; ".join(failures))


def _fresh(signature: Signature, examples: Arrays) -> tuple[Any, ...]:
    """New tensors for every attempt: a failed torch.export leaves its marks on those it was given."""
    import torch

    return tuple(torch.from_numpy(examples[name].copy()) for name in signature.input_names)


def _export(module: Any, signature: Signature, tensors: tuple[Any, ...], path: Path, opset: int) -> None:
    import torch

    dimensions = {name: named_dimension(signature, name) for name in signature.dimensions}
    shapes = tuple({axis: dimensions[d] for axis, d in _named(spec)} for spec in signature.inputs)
    with traceable_layers(module):
        program = torch.onnx.export(
            module, tensors, dynamo=True, verbose=False, input_names=list(signature.input_names),
            output_names=list(signature.output_names), opset_version=opset,
            dynamic_shapes=(shapes,) if dimensions else None, optimize=True,
            custom_translation_table=recurrent_translations(),
        )  # fmt: skip
    join_directions(program.model)
    program.save(path, external_data=_weight_bytes(module) > INLINE_BYTES)
    _drop_value_info(path)


def _trace(module: Any, signature: Signature, tensors: tuple[Any, ...], path: Path, opset: int) -> None:
    # A trace follows one branch; where it is wrong this is the scripted module, whose branches the exporter keeps.
    scripted, how, _ = to_torchscript(module, signature, tensors)
    export_script(scripted if "script" in how else module, signature, tensors, path, opset)


def export_script(module: Any, signature: Signature, tensors: tuple[Any, ...], path: Path, opset: int = OPSET) -> None:
    """By the older exporter: of a script as it stands, of any other module a trace."""
    import torch

    specs = (*signature.inputs, *signature.outputs)
    torch.onnx.export(
        module, tensors, path, dynamo=False, input_names=list(signature.input_names),
        output_names=list(signature.output_names), opset_version=opset,
        dynamic_axes={spec.name: dict(_named(spec)) for spec in specs if dict(_named(spec))},
    )  # fmt: skip


def _named(spec: TensorSpec) -> list[tuple[int, str]]:
    return [(axis, d) for axis, d in enumerate(spec.shape) if isinstance(d, str)]


def _weight_bytes(module: Any) -> int:
    return sum(t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers()))


def _drop_value_info(path: Path) -> None:
    """The exporter's inferred shapes contradict what ONNX Runtime's quantizers infer, and break them."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    del model.graph.value_info[:]
    onnx.save(model, path)


def check(path: Path, signature: Signature) -> None:
    """Raises where a named dimension has been baked in, or a name was lost."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    onnx.checker.check_model(str(path))
    found = {value.name: value for value in graph.input}
    if set(found) != set(signature.input_names):
        raise ValueError(f"the exported model takes {sorted(found)}, not {sorted(signature.input_names)}")
    if [value.name for value in graph.output] != list(signature.output_names):
        raise ValueError(
            f"the exported model gives {[v.name for v in graph.output]}, not {list(signature.output_names)}"
        )
    for spec in signature.inputs:
        sizes = found[spec.name].type.tensor_type.shape.dim
        for axis, name in _named(spec):
            if sizes[axis].HasField("dim_value"):
                raise ValueError(f"dimension {name} of {spec.name} was baked in as {sizes[axis].dim_value}")


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else ""
