"""PyTorch's graph of a module, written down without torch: what a process that must not import torch can read.

`graph.json` is `torch.export`'s graph made functional (no operator writes into its input) and otherwise left whole:
convolutions, recurrent layers and attention stay single operators. `weights.safetensors` holds each tensor that the
graph uses once, however many names it has. Equal models give equal bytes. Further methods of the model that are to be
signatures have the same two files each, in a folder of their name below `methods`.

    {"version": 1, "inputs": [value], "outputs": [reference], "weights": {value: tensor}, "graph": body}
    body:       {"nodes": [node], "inputs": [value], "outputs": [reference], "graphs": {name: body}}
    node:       {"name", "operator", "arguments": {name: argument}, "module": path, "types": [type]}
    argument:   null, true, 1, 1.5, "text", [argument], {"value": name}, {"dtype": name}, {"float": "inf"},
                {"graph": name}
    type:       {"dtype", "shape": [size or null]} of a tensor, {"symbol": "int"} of a number known when the model runs
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.exporting import export, known_size
from optimize.errors import Unsupported
from optimize.signature import Signature

reads = "pytorch"
makes = "aten_graph"
libraries = ("torch", "safetensors")
METHODS = "methods"

# Where a tensor lives and how it lies in memory mean nothing outside torch.
_PLACEMENT = frozenset(
    {"device", "layout", "pin_memory", "memory_format", "non_blocking", "copy", "generator", "implicit"}
)


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    from optimize.sources.modules import module_source

    source = module_source(model)
    made = export_graph(source.positional(model.signature), model.signature, examples, output)
    for name, method in model.signature.methods.items():
        folder = output / METHODS / name
        folder.mkdir(parents=True)
        taken = {spec.name: examples[spec.name] for spec in method.inputs}
        export_graph(source.positional(method, name), method, taken, folder)
    return made


def export_graph(module: Any, signature: Signature, examples: Arrays, output: Path) -> Made:
    """Write `graph.json` and `weights.safetensors` of a `torch.nn.Module` in eval mode into `output`.

    The module takes the signature's inputs by position and returns one tensor or a flat tuple of them.
    """
    exported = export(module, signature, examples, finish=_functional)
    program = exported.program
    weights = _weights(program)
    _save_weights(weights, output / "weights.safetensors")
    document = _document(program, {value: name for value, (name, _) in weights.items()})
    (output / "graph.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    return Made(f"torch.export ({exported.how}), functional, operators kept whole", exported.notes)


def foresee(model: Artifact) -> str:
    """Of an exported program, whose graph is there; a module's is first known when it is exported."""
    if model.format != "exported_program":
        return ""
    from optimize.converters.aten_graph_to_saved_model.operators import OPERATORS
    from optimize.sources.exported_program import read

    left = {_operator(node) for node in _all_nodes(_functional(read(model)).graph_module)} - OPERATORS
    return f"no TensorFlow rule for {', '.join(sorted(left))}" if left else ""


def _functional(program: Any) -> Any:
    """No operator writes into its input, `torch.no_grad` blocks are inlined, dead code is gone.

    The only operators taken apart are those that the TensorFlow rules lack and torch can express by others.
    """
    from torch._decomp import core_aten_decompositions

    from optimize.converters.aten_graph_to_saved_model.operators import OPERATORS

    # Anything already in the empty-table form: torch rewrites only in-place operators and views.
    program = program.run_decompositions({})
    lacking = {n.target for n in _all_nodes(program.graph_module) if _operator(n) not in OPERATORS}
    if not lacking:
        return program
    known = core_aten_decompositions()
    table = {operator: known[operator] for operator in known if str(operator) not in OPERATORS}
    return program.run_decompositions(table)


def _all_nodes(module: Any) -> Iterator[Any]:
    for part in module.modules():
        if hasattr(part, "graph"):
            yield from (n for n in part.graph.nodes if n.op == "call_function")


# --- weights


def _weights(program: Any) -> dict[str, tuple[str, Any]]:
    """Value name → (tensor name, tensor) of every weight that some operator uses; tied ones share a tensor name."""
    signature = program.graph_signature
    homes = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    names: dict[tuple[Any, ...], str] = {}
    weights = {}
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in homes and node.users:
            tensor = _tensor_of(program, homes[node.name])
            name = names.setdefault(_identity(tensor, node.name), homes[node.name])
            weights[node.name] = (name, tensor)
    return weights


def _tensor_of(program: Any, name: str) -> Any:
    return program.state_dict[name] if name in program.state_dict else program.constants[name]


def _identity(tensor: Any, name: str) -> tuple[Any, ...]:
    """What makes two names one tensor. An empty tensor has no address of its own, so it is only itself."""
    if tensor.numel() == 0:
        return (name,)
    return (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)


def _save_weights(weights: Mapping[str, tuple[str, Any]], path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous() for name, tensor in weights.values()}, path)


# --- writing down


def _document(program: Any, weights: Mapping[str, str]) -> dict[str, Any]:
    signature = program.graph_signature
    return {
        "version": 1,
        "inputs": list(signature.user_inputs),
        "outputs": [_output(output.arg) for output in signature.output_specs if output.kind.name == "USER_OUTPUT"],
        "weights": dict(weights),
        "graph": _body(program.graph_module),
    }


def _output(argument: Any) -> Any:
    return {"value": argument.name} if hasattr(argument, "name") and not hasattr(argument, "value") else argument.value


def _body(module: Any) -> dict[str, Any]:
    nodes = list(module.graph.nodes)
    inner = [n for n in nodes if n.op == "get_attr" and hasattr(getattr(module, n.target, None), "graph")]
    graphs = {n.name: n.target for n in inner}
    return {
        "inputs": [n.name for n in nodes if n.op == "placeholder"],
        "outputs": [_argument(value, graphs) for value in _flat(nodes[-1].args)],
        "nodes": [_node(n, graphs) for n in nodes if n.op == "call_function"],
        "graphs": {target: _body(getattr(module, target)) for target in sorted(set(graphs.values()))},
    }


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _flat(part)]
    return [value]


def _node(node: Any, graphs: Mapping[str, str]) -> dict[str, Any]:
    arguments = {name: _argument(value, graphs) for name, value in _arguments(node).items() if name not in _PLACEMENT}
    return {
        "name": node.name,
        "operator": _operator(node),
        "arguments": arguments,
        "module": _module_path(node),
        "types": [_type(value) for value in _flat(node.meta.get("val"))],
    }


def _operator(node: Any) -> str:
    """`aten.relu.default` of ATen's, `sym.add` of arithmetic on sizes, `higher_order.cond` of control flow."""
    import torch

    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        ours = target.namespace == "optimize"
        return f"aten.{target.overloadpacket.__name__}.input" if ours else str(target)
    if isinstance(target, torch._ops.HigherOrderOperator):
        return f"higher_order.{target.name()}"
    return f"sym.{target.__name__}"


def _arguments(node: Any) -> dict[str, Any]:
    """By the schema's names, defaults filled in; a call without a schema has its `operands`."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {"operands": [*node.args, *node.kwargs.values()]}
    defaults = {a.name: a.default_value for a in schema.arguments}
    given = dict(zip(defaults, node.args, strict=False))
    return {**defaults, **given, **node.kwargs}


def _argument(value: Any, graphs: Mapping[str, str]) -> Any:
    import torch

    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, torch.fx.Node):
        return {"graph": graphs[value.name]} if value.name in graphs else {"value": value.name}
    if isinstance(value, torch.dtype):
        return {"dtype": _dtype_name(value)}
    if isinstance(value, list | tuple):
        return [_argument(item, graphs) for item in value]
    if isinstance(value, torch.device | torch.layout | torch.memory_format):
        return None
    raise Unsupported(f"an operator's argument {value} of type {type(value).__name__} has no neutral form")


def _module_path(node: Any) -> str:
    """The module that called the operator (`encoder.layers.0 (Linear)`), or empty."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack or stack[-1][0].startswith("_empty"):
        return ""
    path, kind = stack[-1]
    return f"{path or 'the model itself'} ({str(getattr(kind, '__name__', kind)).rsplit('.', 1)[-1]})"


def _type(value: Any) -> dict[str, Any] | None:
    import torch

    if isinstance(value, torch.Tensor):
        return {"dtype": _dtype_name(value.dtype), "shape": [known_size(size) for size in value.shape]}
    kinds = {"bool": (bool, torch.SymBool), "int": (int, torch.SymInt), "float": (float, torch.SymFloat)}
    return next(({"symbol": name} for name, kind in kinds.items() if isinstance(value, kind)), None)


def _dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
