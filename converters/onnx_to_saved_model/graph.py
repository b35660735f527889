"""An ONNX file as what the interpreter walks: nodes, known arrays, and the types that ONNX's own inference finds."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, inliner, numpy_helper, shape_inference

from optimize.arrays import Array
from optimize.errors import Unsupported

# Inference reads shapes and indices; what is larger than any of those is kept away from it.
_INFERENCE_BYTES = 4096

Type = tuple[Any, "list[int | None] | None"]
"""NumPy's dtype, and sizes with None where they are free; no sizes at all where not even the rank is known."""


@dataclass(frozen=True)
class Graph:
    inputs: list[str]
    outputs: list[str]
    nodes: list[onnx.NodeProto]
    arrays: Mapping[str, Array]
    types: Mapping[str, Type]
    opsets: Mapping[str, int]
    """Domain to version."""
    free: frozenset[str] = field(default=frozenset())
    """Of a branch or a loop's body: what it takes from the graph around it."""


def operator_name(domain: str, operator: str) -> str:
    return operator if domain in ("", "ai.onnx") else f"{domain}.{operator}"


def read_graph(path: Path, rules: frozenset[str]) -> Graph:
    """Functions are taken apart, the model's own and, but for those in `rules`, the standard's."""
    model = onnx.load(path, load_external_data=False)
    arrays = {tensor.name: read_array(tensor, path.parent) for tensor in model.graph.initializer}
    return prepared(model, arrays, rules)


def prepared(model: onnx.ModelProto, arrays: dict[str, Array], rules: frozenset[str]) -> Graph:
    """`arrays` are the initializers, which are taken out of `model` where they are large."""
    for tensor in model.graph.initializer:
        if arrays[tensor.name].nbytes > _INFERENCE_BYTES:
            tensor.ClearField("raw_data")
            for kind in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "external_data"):
                tensor.ClearField(kind)
            tensor.ClearField("data_location")
    # What an exporter or a user wrote down may be wrong, and inference would believe it.
    model.graph.ClearField("value_info")
    for value in model.graph.output:
        for dimension in value.type.tensor_type.shape.dim:
            dimension.Clear()
    model = _without_functions(model, rules)
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    opsets = {entry.domain.replace("ai.onnx", "") if entry.domain == "ai.onnx" else entry.domain: entry.version
              for entry in inferred.opset_import}  # fmt: skip
    return _graph(inferred.graph, arrays, opsets)


def _without_functions(model: onnx.ModelProto, rules: frozenset[str]) -> onnx.ModelProto:
    left = [node for node in all_nodes(model.graph.node) if operator_name(node.domain, node.op_type) not in rules]
    if not left:
        return model
    known = [(name.rpartition(".")[0], name.rpartition(".")[2]) for name in rules]
    for node in left:
        _write_defaults(node)
    try:
        return inliner.inline_selected_functions(model, known, exclude=True, inline_schema_functions=True)
    except RuntimeError as error:
        raise Unsupported(f"onnx's inliner cannot take the model's functions apart: {error}") from error


def all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Those of branches and loops' bodies too."""
    for node in nodes:
        yield node
        for inner in subgraphs(node):
            yield from all_nodes(inner.node)


def _write_defaults(node: onnx.NodeProto) -> None:
    """Onnx's inliner (1.23) takes an attribute that is left out for none, where the standard has a default."""
    if not defs.has(node.op_type, node.domain):
        return
    given = {attribute.name for attribute in node.attribute}
    for name, attribute in defs.get_schema(node.op_type, node.domain).attributes.items():
        if name not in given and attribute.default_value.name:
            node.attribute.append(attribute.default_value)


def check_coverage(graph: Graph, rules: Container[str]) -> None:
    """Raises `Unsupported` with every operator that has no rule, and the nodes that are such."""
    missing: dict[str, list[str]] = {}
    for node in all_nodes(graph.nodes):
        name = operator_name(node.domain, node.op_type)
        if name not in rules:
            missing.setdefault(name, []).append(place(node))
    if missing:
        lines = [f"{name}, node {_some(places)}" for name, places in sorted(missing.items())]
        raise Unsupported("no TensorFlow rule for " + "; ".join(lines))


def place(node: onnx.NodeProto) -> str:
    return node.name or f"making {', '.join(name for name in node.output if name)}"


def _some(places: list[str], limit: int = 3) -> str:
    more = len(places) - limit
    return ", ".join(places[:limit]) + (f" and {more} more" if more > 0 else "")


def subgraph(proto: onnx.GraphProto, outer: Graph) -> Graph:
    arrays = {tensor.name: read_array(tensor, Path()) for tensor in proto.initializer}
    graph = _graph(proto, arrays, outer.opsets)
    return Graph(graph.inputs, graph.outputs, graph.nodes, arrays, graph.types, outer.opsets, frozenset(_free(proto)))


def _graph(proto: onnx.GraphProto, arrays: Mapping[str, Array], opsets: Mapping[str, int]) -> Graph:
    described = [*proto.input, *proto.value_info, *proto.output]
    types = {value.name: found for value in described if (found := _type(value.type)) is not None}
    inputs = [value.name for value in proto.input if value.name not in arrays]
    return Graph(inputs, [value.name for value in proto.output], list(proto.node), arrays, types, opsets)


def _type(proto: onnx.TypeProto) -> Type | None:
    tensor = proto.tensor_type
    if not tensor.elem_type:
        return None
    shape = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    return helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape if tensor.HasField("shape") else None


def _free(proto: onnx.GraphProto) -> set[str]:
    inside = {value.name for value in proto.input} | {tensor.name for tensor in proto.initializer}
    inside |= {name for node in proto.node for name in node.output}
    read = {value.name for value in proto.output} | {name for node in proto.node for name in names_read(node)}
    return read - inside


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    return (attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH)


def names_read(node: onnx.NodeProto) -> list[str]:
    """By the node itself, and by its branches from around it."""
    return [name for name in node.input if name] + [name for graph in subgraphs(node) for name in _free(graph)]


def read_array(tensor: onnx.TensorProto, folder: Path) -> Array:
    """Mapped from disk where it lies beside the model, and not read until used."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _mapped(tensor, folder)
    if tensor.data_type == onnx.TensorProto.UNDEFINED:
        raise Unsupported(f"weight {tensor.name!r} has no type")
    array: Array = numpy_helper.to_array(tensor)
    return array


def _mapped(tensor: onnx.TensorProto, folder: Path) -> Array:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    shape = tuple(tensor.dims)
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(folder / entries["location"], dtype, "r", int(entries.get("offset", 0)), shape)
