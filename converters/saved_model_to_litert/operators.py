"""The operators of LiteRT's flat file that were made with stand-ins for weights, as they would be without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimize.converters.saved_model_to_litert.weights import StandIn

PRODUCT = ("FULLY_CONNECTED", 1)
TABLES = (("GATHER", 0), ("EMBEDDING_LOOKUP", 1))
"""Operators, and which of their inputs is the weight."""
SLICES = ("SLICE", "STRIDED_SLICE")
FOLDED = ("ADD", "SUB", "MUL", "DIV")
"""With a constant, before a product: the converter carries them out on the weight."""


@dataclass(frozen=True)
class Model:
    """The file as objects of its schema."""

    content: Any
    schema: Any

    def kind(self, operator: Any) -> str:
        code = self.content.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)  # Files for old readers have small ones there.
        return next(str(name) for name, value in vars(self.schema.BuiltinOperator).items() if value == number)


def give_back(model: Model, stand_ins: Mapping[int, StandIn]) -> list[StandIn]:
    """Let products read their whole first factor. `stand_ins` are by the buffers that hold them.

    Gives those that are in operators that they were not made for; if there are any, the model is of no use.
    """
    return [one for graph in model.content.subgraphs for one in _give_back(model, graph, stand_ins)]


def _give_back(model: Model, graph: Any, stand_ins: Mapping[int, StandIn]) -> list[StandIn]:
    held = {i: stand_ins[tensor.buffer] for i, tensor in enumerate(graph.tensors) if tensor.buffer in stand_ins}
    makers = {int(made): operator for operator in graph.operators for made in operator.outputs}
    uses = [(op, place, held[i]) for op in graph.operators for place, i in enumerate(op.inputs) if i in held]
    refused = [use[2] for use in uses if not _take(model, graph, makers, *use)]
    if uses and not refused:
        _drop_unused(model, graph)
    return refused


def _take(model: Model, graph: Any, makers: Mapping[int, Any], operator: Any, place: int, stand_in: StandIn) -> bool:
    use = (model.kind(operator), place)
    if not stand_in.sums:
        return use in TABLES
    return use == PRODUCT and _widen(model, graph, makers, operator, stand_in)


def _widen(model: Model, graph: Any, makers: Mapping[int, Any], product: Any, stand_in: StandIn) -> bool:
    """Past the slice that it reads."""
    columns = makers.get(int(product.inputs[0]))
    if columns is None or model.kind(columns) not in SLICES:
        return False
    maker = makers.get(int(columns.inputs[0]))
    if maker is not None and model.kind(maker) in FOLDED and any(_is_constant(model, graph, i) for i in maker.inputs):
        return False
    whole = graph.tensors[int(columns.inputs[0])]
    sizes = whole.shape if whole.shapeSignature is None else whole.shapeSignature
    if sizes[-1] not in (-1, stand_in.variable.shape[stand_in.axis]):
        return False
    product.inputs = [int(columns.inputs[0]), *product.inputs[1:]]  # The array that it is cannot be written to.
    return True


def _is_constant(model: Model, graph: Any, tensor: int) -> bool:
    return model.content.buffers[graph.tensors[tensor].buffer].data is not None


def _drop_unused(model: Model, graph: Any) -> None:
    """The slices that nothing reads any more, and the tensors that were theirs alone."""
    read = {int(i) for operator in graph.operators for i in operator.inputs} | {int(i) for i in graph.outputs}
    graph.operators = [op for op in graph.operators if model.kind(op) not in SLICES or int(op.outputs[0]) in read]
    owners = [(one, name) for one in (graph, *graph.operators) for name in ("inputs", "outputs", "intermediates")]
    lists = [(one, name, numbers) for one, name in owners if (numbers := getattr(one, name, None)) is not None]
    used = sorted({int(i) for *_, numbers in lists for i in numbers} - {-1})
    new = {-1: -1} | {old: i for i, old in enumerate(used)}
    for one, name, numbers in lists:
        setattr(one, name, [new[int(i)] for i in numbers])
    graph.tensors = [graph.tensors[i] for i in used]
    place = next(i for i, one in enumerate(model.content.subgraphs) if one is graph)
    for signature in model.content.signatureDefs or []:
        for entry in (*signature.inputs, *signature.outputs) if signature.subgraphIndex == place else ():
            entry.tensorIndex = new[entry.tensorIndex]
