"""From an ONNX file to the files of a SavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.converters.aten_graph_to_saved_model.saving import Variables, save_function
from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.converters.onnx_to_saved_model.graph import check_coverage, read_graph
from optimize.converters.onnx_to_saved_model.interpreter import interpret
from optimize.converters.onnx_to_saved_model.rules import RULES
from optimize.signature import Signature


def save(path: Path, signature: Signature, output: Path) -> None:
    """Raises `Unsupported` with all operators that have no rule, before any other work."""
    graph = read_graph(path, frozenset(RULES))
    check_coverage(graph, RULES)
    store = Variables()

    def serve(*inputs: Any) -> list[Any]:
        named = dict(zip(signature.input_names, map(Value, inputs), strict=True))
        outputs = dict(zip(graph.outputs, interpret(graph, dict(named), store), strict=True))
        return [outputs[name] for name in signature.output_names]

    save_function(serve, signature, store, output)
