"""What the stages that trace a TensorFlow function have in common: its signature, and its way to ONNX."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optimize.converters import onnx_finishing
from optimize.converters.onnx_weights import keep_apart, put_back
from optimize.errors import Unsupported
from optimize.signature import Signature, TensorSpec

OPSET = 18
"""The newest that tf2onnx 1.17 writes."""
MOST_BYTES = 2_000_000_000
"""Of weights in the graph: one protobuf message holds less than 2 GiB."""


def tensor_specs(inputs: tuple[TensorSpec, ...]) -> list[Any]:
    """Raises Unsupported for an input that TensorFlow would give a name of its own."""
    import tensorflow as tf

    odd = [spec.name for spec in inputs if spec.name == "self" or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", spec.name)]
    if odd:
        raise Unsupported(
            f"TensorFlow names inputs by letters, digits and underscores; rename {', '.join(odd)} under source.inputs"
        )
    return [
        tf.TensorSpec(
            [size if isinstance(size, int) else None for size in spec.shape], _kind(spec.dtype), name=spec.name
        )
        for spec in inputs
    ]


def _kind(dtype: str) -> Any:
    import tensorflow as tf

    return tf.string if dtype == "str" else tf.as_dtype(dtype)


def write_onnx(
    outputs: Callable[..., Mapping[str, Any]], signature: Signature, path: Path, options: onnx_finishing.Options
) -> str:
    """Convert by tf2onnx a function from the signature's inputs by position to tensors by name; gives the method.

    Raises Unsupported, naming the operators that tf2onnx has no conversion for.
    """
    import onnx
    import tensorflow as tf

    def flat(*inputs: Any) -> list[Any]:
        named = outputs(*inputs)
        return [tf.identity(named[name]) for name in signature.output_names]

    specs = tensor_specs(signature.inputs)
    apart = keep_apart(tf.function(flat, input_signature=specs, autograph=False), specs)
    _check_size(apart.rest_bytes)
    model = _converted(apart.function, apart.specs, options.opset_of(OPSET))
    _check_operators(model)
    _rename(model.graph, [value.name for value in model.graph.output], signature.output_names)
    _name_dimensions([value for value in model.graph.input if value.name not in apart.weights], signature.inputs)
    _name_dimensions(model.graph.output, signature.outputs)
    del model.graph.value_info[:]  # ONNX Runtime's quantizers infer shapes of their own, and stop where two differ.
    put_back(model, apart.weights, path)
    onnx.checker.check_model(str(path))
    return f"tf2onnx, {onnx_finishing.finish(path, options)}"


def _converted(function: Any, specs: list[Any], opset: int) -> Any:
    """Without a copy of the graph for each of tf2onnx's optimizations, which are kept for one that fails, and which
    nothing lets go: with them a model of 0.27 GB took 13.8 GB and 63 s, and without 9.5 GB and 48 s (tf2onnx 1.17)."""
    import tf2onnx

    os.environ["TF2ONNX_CATCH_ERRORS"] = "FALSE"
    try:
        return tf2onnx.convert.from_function(function, input_signature=specs, opset=opset)[0]
    except Exception:  # noqa: BLE001 - an optimization raises whatever it meets; what converts badly raises again
        os.environ["TF2ONNX_CATCH_ERRORS"] = "TRUE"
        return tf2onnx.convert.from_function(function, input_signature=specs, opset=opset)[0]


def _check_size(held: int) -> None:
    if held > MOST_BYTES:
        raise Unsupported(
            f"tf2onnx converts at most 2 GB of convolutions' kernels and of weights that loops and branches read, and "
            f"these take {held / 1e9:.1f} GB; take saved_model or openvino"
        )


def _check_operators(model: Any) -> None:
    """tf2onnx leaves what it does not know in the graph, under TensorFlow's name."""
    import onnx

    domains = {"": "", "ai.onnx": "", "ai.onnx.ml": "ai.onnx.ml"}
    unknown = {
        node.op_type
        for node in _nodes(model.graph)
        if node.domain not in domains or not onnx.defs.has(node.op_type, domains[node.domain])
    }
    if unknown:
        raise Unsupported(f"tf2onnx has no conversion for the TensorFlow operators {', '.join(sorted(unknown))}")


def _nodes(graph: Any) -> list[Any]:
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return [*graph.node, *(node for one in inner for node in _nodes(one))]


def _rename(graph: Any, old: Sequence[str], new: Sequence[str]) -> None:
    """Give outputs their names. Where one is taken inside the graph, the tensor that has it gets another."""
    names = {**{name: f"{name}__inner" for name in new}, **dict(zip(old, new, strict=True))}
    for value in graph.input:
        names.pop(value.name, None)
    for node in _nodes(graph):
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
    for value in (*graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)


def _name_dimensions(values: Any, specs: Sequence[TensorSpec]) -> None:
    by_name = {spec.name: spec for spec in specs}
    for value in values:
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for size in by_name[value.name].shape:
            shape.dim.add(**{"dim_value" if isinstance(size, int) else "dim_param": size})
