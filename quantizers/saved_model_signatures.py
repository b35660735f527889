"""Several signatures of a SavedModel, one graph each: taken apart for a tool that reads the main one alone, and put
together again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.converters.saved_model_folder import keep_signatures
from optimize.errors import Unsupported
from optimize.runtimes.saved_model import SIGNATURE

SHARED_BYTES = 1024
"""Constants from this size on are stored once, however many graphs hold them."""


def take_out(folder: Path, name: str, output: Path) -> None:
    """The SavedModel in `folder` with the signature of this name as its main and only one."""
    from optimize.sources.saved_model import serving_graph

    shutil.copytree(folder, output)
    keep_signatures(serving_graph(folder), {SIGNATURE: name}, output)


def join(main: Any, others: Mapping[str, Any]) -> None:
    """Adds to the SavedModel message `main` the main signature of each other, under its name, with its graph.

    The graphs hold their weights as constants. Raises Unsupported where two define different functions of one name.
    """
    into = main.meta_graphs[0]
    shared = {_content(node): node.name for node in into.graph_def.node if _is_large(node)}
    for name, model in others.items():
        graph = model.meta_graphs[0]
        names = {node.name: f"{name}/{node.name}" for node in graph.graph_def.node}
        for node in graph.graph_def.node:
            if _is_large(node):
                names[node.name] = shared.setdefault(_content(node), names[node.name])
        _add_nodes(graph.graph_def.node, into.graph_def.node, names)
        _add_functions(graph.graph_def.library, into.graph_def.library)
        _add_operators(graph.meta_info_def.stripped_op_list.op, into.meta_info_def.stripped_op_list.op)
        into.signature_def[name].CopyFrom(graph.signature_def[SIGNATURE])
        for info in (*into.signature_def[name].inputs.values(), *into.signature_def[name].outputs.values()):
            info.name = _renamed(info.name, names)


def _is_large(node: Any) -> bool:
    return node.op in ("Const", "HostConst") and not node.input and node.ByteSize() >= SHARED_BYTES


def _content(node: Any) -> bytes:
    value: bytes = node.attr["value"].SerializeToString(deterministic=True)
    return value


def _add_nodes(nodes: Any, into: Any, names: Mapping[str, str]) -> None:
    there = {node.name for node in into}
    for node in nodes:
        if names[node.name] in there:
            continue
        added = into.add()
        added.CopyFrom(node)
        added.name = names[node.name]
        added.input[:] = [_renamed(tensor, names) for tensor in node.input]
        added.attr.pop("_class", None)  # It names other nodes, and says where what trains a model is to be placed.


def _renamed(tensor: str, names: Mapping[str, str]) -> str:
    """`node`, `node:1`, or `^node` where it is only to run before."""
    mark, name = ("^", tensor[1:]) if tensor.startswith("^") else ("", tensor)
    node, colon, index = name.partition(":")
    return f"{mark}{names[node]}{colon}{index}"


def _add_functions(library: Any, into: Any) -> None:
    there = {function.signature.name: function for function in into.function}
    for function in library.function:
        known = there.get(function.signature.name)
        if known is None:
            into.function.add().CopyFrom(function)
        elif known != function:
            raise Unsupported(f"two of its signatures have a different function {function.signature.name}")


def _add_operators(operators: Any, into: Any) -> None:
    there = {operator.name for operator in into}
    for operator in operators:
        if operator.name not in there:
            into.add().CopyFrom(operator)
