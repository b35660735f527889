"""Walks an ATen graph once and says each operator in TensorFlow, inside the `tf.function` that is being traced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model.rules import RULES
from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.errors import Unsupported

Environment = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a rule may know of the operator it stands for."""

    types: Sequence[Mapping[str, Any] | None]
    """What torch recorded of its results, see `pytorch_to_aten_graph`."""
    graphs: Mapping[str, Any]
    read_once: bool
    """Whether one other operator reads its result, and no more."""

    @property
    def dtype(self) -> Any:
        """Of the first result."""
        return tf.as_dtype((self.types[0] or {})["dtype"])

    @property
    def shape(self) -> list[int | None]:
        return list((self.types[0] or {})["shape"])

    def run(self, graph: str, operands: Sequence[Any]) -> list[Any]:
        """Of a branch or a loop's body: its results, in order."""
        body = self.graphs[graph]
        return interpret(body, dict(zip(body["inputs"], operands, strict=True)))


def check_coverage(graph: Mapping[str, Any]) -> None:
    """Raises `Unsupported` with every operator that has no rule, and where the model uses it."""
    missing: dict[str, list[str]] = {}
    for node in _nodes(graph):
        for problem in _problems(node):
            missing.setdefault(problem, []).append(node["module"] or "a place torch.export did not record")
    if missing:
        lines = [f"{problem}, used by {_some(places)}" for problem, places in sorted(missing.items())]
        raise Unsupported("no TensorFlow rule for " + "; ".join(lines))


def _nodes(graph: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*graph["nodes"], *(node for inner in graph["graphs"].values() for node in _nodes(inner))]


def _problems(node: Mapping[str, Any]) -> list[str]:
    found = RULES.get(node["operator"])
    if found is None:
        return [node["operator"]]
    if found.arguments is None:
        return []
    return [f"argument '{name}' of {node['operator']}" for name in sorted(set(node["arguments"]) - found.arguments)]


def _some(places: list[str], limit: int = 3) -> str:
    different = list(dict.fromkeys(places))
    more = len(different) - limit
    return ", ".join(different[:limit]) + (f" and {more} more" if more > 0 else "")


def interpret(graph: Mapping[str, Any], environment: Environment) -> list[Any]:
    """The graph's outputs. `environment` holds its inputs by name: `Value`s and numbers."""
    reads = Counter(_names([[node["arguments"] for node in graph["nodes"]], graph["outputs"]]))
    for node in graph["nodes"]:
        context = Context(node["types"], graph["graphs"], reads[node["name"]] == 1)
        environment[node["name"]] = _run(node, context, environment)
    return [resolve(output, environment) for output in graph["outputs"]]


def _names(argument: Any) -> Iterator[str]:
    """Of the values that an argument, or anything in it, refers to."""
    if isinstance(argument, list):
        for item in argument:
            yield from _names(item)
    elif isinstance(argument, dict) and set(argument) == {"value"} and isinstance(argument["value"], str):
        yield argument["value"]
    elif isinstance(argument, dict):
        yield from _names(list(argument.values()))


def _run(node: Mapping[str, Any], context: Context, environment: Environment) -> Any:
    found = RULES[node["operator"]]
    arguments = {name: resolve(value, environment) for name, value in node["arguments"].items()}
    if not found.lazy:
        arguments = {name: _in_plain_order(value) for name, value in arguments.items()}
    try:
        # The name is what a profile of the SavedModel shows.
        with tf.name_scope(node["name"].lstrip("_") or "operator"):
            result = found.function(context, **arguments)
            return _settled(result, node["types"])
    except (Unsupported, ValueError, TypeError, tf.errors.OpError) as error:
        place = f"{node['operator']} used by {node['module'] or 'the model'}"
        raise Unsupported(f"{place}: {error}") from error


def resolve(argument: Any, environment: Environment) -> Any:
    if isinstance(argument, list):
        return [resolve(item, environment) for item in argument]
    if not isinstance(argument, dict):
        return argument
    ((kind, content),) = argument.items()
    if kind == "value":
        return environment[content]
    if kind == "float":
        return float(content)
    return tf.as_dtype(content) if kind == "dtype" else content


def _in_plain_order(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_plain_order(item) for item in value]
    return value.tensor if isinstance(value, Value) else value


def _settled(result: Any, types: Sequence[Mapping[str, Any] | None]) -> Any:
    """As `Value`s of the dtype and the known sizes that torch recorded."""
    if isinstance(result, list | tuple):
        return [_one(item, kind) for item, kind in zip(result, types, strict=True)]
    return _one(result, types[0] if types else None)


def _one(result: Any, kind: Mapping[str, Any] | None) -> Any:
    if kind is None or "symbol" in kind or result is None:
        return result
    value = result if isinstance(result, Value) else Value(tf.convert_to_tensor(result))
    return value.settled(tf.as_dtype(kind["dtype"]), kind["shape"])
