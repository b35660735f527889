"""From a graph that skl2onnx or onnxmltools made to the signature's own names, dtypes and shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.converters import onnx_finishing
from optimize.signature import Signature, TensorSpec

OPSETS = {"": 20, "ai.onnx.ml": 3}
"""What ONNX Runtime reads from 1.17 on."""
IR_VERSION = 10
INNER = "model_"


def typed_inputs(signature: Signature, types: Any) -> list[tuple[str, Any]]:
    """`types` is the library's own module of types."""
    named = {
        "float32": types.FloatTensorType, "float64": types.DoubleTensorType, "int64": types.Int64TensorType,
        "int32": types.Int32TensorType, "bool": types.BooleanTensorType, "str": types.StringTensorType,
    }  # fmt: skip
    return [
        (spec.name, named[spec.dtype]([d if isinstance(d, int) else None for d in spec.shape]))
        for spec in signature.inputs
    ]


def save_fitted(model: Any, signature: Signature, path: Path, options: onnx_finishing.Options) -> str:
    """Its first outputs become the signature's; what it gives beyond them is left out. Gives its opset, in words."""
    import onnx

    fitted = onnx.compose.add_prefix(model, INNER, rename_inputs=False)
    graph, made = fitted.graph, list(fitted.graph.output)
    del graph.output[:], graph.value_info[:]
    for spec, value in zip(signature.outputs, made, strict=False):
        _give(graph, spec, value)
    for spec, value in zip(signature.inputs, graph.input, strict=True):
        _rename(graph, value.name, spec.name)
        value.CopyFrom(_value(spec))
    versions = {"": options.opset_of(OPSETS[""])} | {opset.domain: opset.version for opset in fitted.opset_import}
    del fitted.opset_import[:]
    fitted.opset_import.extend(onnx.helper.make_opsetid(*pair) for pair in versions.items())
    fitted.ir_version = min(fitted.ir_version, IR_VERSION)
    onnx.checker.check_model(fitted)
    onnx.save(fitted, path)
    return onnx_finishing.finish(path, options)


def _rename(graph: Any, old: str, new: str) -> None:
    """A name that is no identifier (`sepal length (cm)`) was changed."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _give(graph: Any, spec: TensorSpec, made: Any) -> None:
    """Cast, and to the signature's rank: a regressor's column is a vector in scikit-learn."""
    import onnx

    value = _value(spec)
    cast, shape = f"{made.name}_cast", f"{spec.name}_shape"
    sizes = [-1, *(d for d in spec.shape[1:] if isinstance(d, int))]
    graph.initializer.append(onnx.helper.make_tensor(shape, onnx.TensorProto.INT64, [len(sizes)], sizes))
    graph.node.append(_cast(made, value, cast))
    graph.node.append(onnx.helper.make_node("Reshape", [cast, shape], [spec.name]))
    graph.output.append(value)


def _cast(made: Any, value: Any, output: str) -> Any:
    """Text is what it is: to cast it says something else to some runtimes."""
    import onnx

    kind = value.type.tensor_type.elem_type
    if kind == onnx.TensorProto.STRING:
        return onnx.helper.make_node("Identity", [made.name], [output])
    return onnx.helper.make_node("Cast", [made.name], [output], to=kind)


def _value(spec: TensorSpec) -> Any:
    import numpy as np
    import onnx

    text = spec.dtype == "str"
    kind = onnx.TensorProto.STRING if text else onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
    return onnx.helper.make_tensor_value_info(spec.name, kind, spec.shape)
