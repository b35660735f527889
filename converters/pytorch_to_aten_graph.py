"""PyTorch's graph of a module, written down without torch: what a process that must not import torch can read.

`graph.json` is `torch.export`'s graph made functional (no operator writes into its input) and otherwise left whole:
convolutions, recurrent layers and attention stay single operators. `weights.safetensors` holds each tensor that the
graph uses once, however many names it has. Equal models give equal bytes.

    {"version": 1, "inputs": [value], "outputs": [reference], "weights": {value: tensor}, "graph": body}
    body:       {"nodes": [node], "inputs": [value], "outputs": [reference], "graphs": {name: body}}
    node:       {"name", "operator", "arguments": {name: argument}, "module": path, "types": [type]}
    argument:   null, true, 1, 1.5, "text", [argument], {"value": name}, {"dtype": name}, {"float": "inf"},
                {"graph": name}
    type:       {"dtype", "shape": [size or null]} of a tensor, {"symbol": "int"} of a number known when the model runs
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.signature import Signature

reads = "pytorch"
makes = "aten_graph"
libraries = ("torch", "safetensors")

# Where a tensor lives and how it lies in memory mean nothing outside torch.
_PLACEMENT = frozenset(
    {"device", "layout", "pin_memory", "memory_format", "non_blocking", "copy", "generator", "implicit"}
)


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    from optimize.sources.modules import load_module

    return export_graph(load_module(model), model.signature, examples, output)


def export_graph(module: Any, signature: Signature, examples: Arrays, output: Path) -> Made:
    """Write `graph.json` and `weights.safetensors` of a `torch.nn.Module` in eval mode into `output`.

    The module takes the signature's inputs by position and returns one tensor or a flat tuple of them.
    """
    with _traceable_layers():
        program, how, notes = _export(module, signature, examples)
    weights = _weights(program)
    _save_weights(weights, output / "weights.safetensors")
    document = _document(program, {value: name for value, (name, _) in weights.items()})
    (output / "graph.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    return Made(f"torch.export ({how}), functional, operators kept whole", notes)


# --- tracing


def _export(module: Any, signature: Signature, examples: Arrays) -> tuple[Any, str, tuple[str, ...]]:
    """The exported program with every named dimension free, the kind of dimension that gave it, and remarks."""
    import torch

    refusals: list[str] = []
    last: Exception | None = None
    for how, dimension in _kinds_of_dimension():
        # A failed export leaves its marks on the example tensors: each attempt gets its own.
        tensors = tuple(torch.from_numpy(examples[name].copy()) for name in signature.input_names)
        shapes = _dynamic_shapes(module, signature, dimension)
        try:
            with torch.no_grad():
                exported = torch.export.export(module, tensors, dynamic_shapes=shapes, strict=False)
                program = _functional(exported)
        except Exception as error:  # noqa: BLE001 - what the user's forward and torch's passes raise has no common class
            refusals.append(f"{how}: {type(error).__name__}: {_first_lines(error)}")
            last = error
            continue
        fixed = _fixed_dimensions(program, signature) + _frozen_by_guards(exported, module, signature, examples)
        if not fixed:
            return program, how, _bounds(exported, module, signature)
        refusals.append(f"{how}: {', '.join(fixed)}")
        last = None
    raise Unsupported("torch.export cannot take this model:\n  " + "\n  ".join(refusals)) from last


def _kinds_of_dimension() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """From the strictest to the most lenient: a named one fails where the code bounds it (`sequence <= 512`)."""
    from torch.export import Dim

    yield "named dimensions", Dim
    yield "Dim.DYNAMIC", lambda _: Dim.DYNAMIC
    yield "Dim.AUTO", lambda _: Dim.AUTO


def _dynamic_shapes(module: Any, signature: Signature, dimension: Callable[[str], Any]) -> Any:
    """In the nesting of the arguments of `forward`, where `*inputs` is one argument."""
    shapes = tuple(
        {axis: dimension(d) for axis, d in enumerate(spec.shape) if isinstance(d, str)} for spec in signature.inputs
    )
    return (shapes,) if _variadic(module) else shapes


def _variadic(module: Any) -> str | None:
    """The name of `*inputs` in `forward`, if that is how it takes them."""
    parameters = inspect.signature(module.forward).parameters.values()
    return next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)


def _fixed_dimensions(program: Any, signature: Signature) -> list[str]:
    """Dim.AUTO turns a dimension into a constant without a word: what it did that to."""
    user_inputs = set(program.graph_signature.user_inputs)
    values = [n.meta["val"] for n in program.graph.nodes if n.op == "placeholder" and n.name in user_inputs]
    return [
        f"{spec.name} has its dimension '{named}' fixed at {size}"
        for spec, value in zip(signature.inputs, values, strict=True)
        for named, size in zip(spec.shape, value.shape, strict=True)
        if isinstance(named, str) and _size(size) is not None
    ]


class _Sized:
    """Stands for an input tensor in a guard of torch.export's, which asks for sizes only."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._sizes = tuple(sizes)

    def size(self) -> tuple[int, ...]:
        return self._sizes


def _guards(program: Any) -> list[str]:
    """What the trace took for granted about sizes, as Python expressions over `L`, the arguments by name."""
    return list(getattr(program, "_guards_code", []))


def _holds(guard: str, module: Any, signature: Signature, sizes: Mapping[str, int]) -> bool:
    import torch

    inputs = [_Sized(sizes[d] if isinstance(d, str) else d for d in spec.shape) for spec in signature.inputs]
    names = list(inspect.signature(module.forward).parameters)
    variadic = _variadic(module)
    arguments = {variadic: inputs} if variadic else dict(zip(names, inputs, strict=False))
    return bool(eval(guard, {"math": math, "torch": torch, "L": arguments}))


def _frozen_by_guards(program: Any, module: Any, signature: Signature, examples: Arrays) -> list[str]:
    """A size can be frozen inside the graph while the input's own stays free (`int(length / 2)` becomes 3).

    A guard that holds at the traced size of a dimension and at no other that is tried means just that.
    """
    pairs = [pair for s in signature.inputs for pair in zip(s.shape, examples[s.name].shape, strict=True)]
    traced = {named: size for named, size in pairs if isinstance(named, str)}
    frozen = []
    for name, size in traced.items():
        others = [{**traced, name: other} for other in (size + 1, size + 2, size + 3, 2 * size, 2 * size + 1, 8 * size)]
        for guard in _guards(program):
            if not any(_holds(guard, module, signature, sizes) for sizes in others):
                frozen.append(f"the trace holds only where {guard}, which fixes '{name}'")
    return frozen


def _bounds(program: Any, module: Any, signature: Signature) -> tuple[str, ...]:
    """Guards in the words of the signature: `sequence > 6`."""
    names = list(inspect.signature(module.forward).parameters)
    variadic = _variadic(module)
    said: dict[str, Any] = {}
    for guard in _guards(program):
        text = guard
        for position, spec in enumerate(signature.inputs):
            argument = f"L['{variadic}'][{position}]" if variadic else f"L['{names[position]}']"
            for axis, dimension in enumerate(spec.shape):
                text = text.replace(f"{argument}.size()[{axis}]", str(dimension))
        left, _, right = text.partition(" == ")
        if left != right:
            said[text] = None
    return tuple(f"traced for sizes where {text}" for text in said)


def _first_lines(error: Exception, limit: int = 4) -> str:
    return "\n    ".join([line for line in str(error).splitlines() if line.strip()][:limit])


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


@contextmanager
def _traceable_layers() -> Iterator[None]:
    """Replace, while tracing, what torch's own layers do that no trace can follow.

    Tracing `aten::lstm` unrolls the sequence, which fixes its length and the batch: recurrent layers become operators
    of our own that know nothing but their results' shapes. `nn.Transformer*` looks into a mask to see whether it is the
    causal one, to choose a faster kernel: the mask itself says the same. `torch.max_pool1d` fixes the length;
    `torch.max_pool2d` does not. `torch.meshgrid` without `indexing` has no decomposition that accepts it.
    """
    with ExitStack() as stack:
        for owner, name, replacement in _replacements():
            stack.enter_context(_replaced(owner, name, replacement))
        yield


def _replacements() -> list[tuple[Any, str, Any]]:
    import torch
    from torch.nn.modules import rnn, transformer

    meshgrid = torch.functional._meshgrid
    return [
        (rnn, "_VF", _Recurrence(rnn._VF)),
        (transformer, "_detect_is_causal_mask", lambda mask, is_causal=None, size=None: bool(is_causal)),
        (torch, "max_pool1d", _max_pool1d),
        (torch.functional, "_meshgrid", lambda *tensors, indexing=None: meshgrid(*tensors, indexing=indexing or "ij")),
    ]


@contextmanager
def _replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    kept = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _max_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    import torch

    def row(amount: Any, other: int) -> list[int]:
        return [other, amount[0] if isinstance(amount, list | tuple) else amount]

    steps = row(stride or kernel_size, 1)
    flat = torch.max_pool2d(x[..., None, :], row(kernel_size, 1), steps, row(padding, 0), row(dilation, 1), ceil_mode)
    return flat[..., 0, :]


class _Recurrence:
    """Stands for `torch._VF` inside `torch.nn.modules.rnn`."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions
        self._operators = _recurrent_operators()

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._functions, name)
        if name not in _RECURRENT:
            return function

        def call(*arguments: Any) -> Any:
            # A packed sequence has its batch sizes second, which moves the flag `has_biases` from here.
            unpacked = isinstance(arguments[3], bool)
            return getattr(self._operators, name)(*arguments) if unpacked else function(*arguments)

        return call


_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_LIBRARIES: list[Any] = []  # a torch.library.Library takes its operators with it when it is collected


def _recurrent_operators() -> Any:
    """`torch.ops.optimize`, with the schemas of ATen's own recurrent operators."""
    import torch

    if not _LIBRARIES:
        library = torch.library.Library("optimize", "FRAGMENT")
        _LIBRARIES.append(library)
        for name in _RECURRENT:
            original = getattr(torch.ops.aten, name).input
            library.define(str(original._schema).removeprefix("aten::").replace(f"{name}.input", name))
            library.impl(name, original, "CompositeExplicitAutograd")
            torch.library.register_fake(f"optimize::{name}", _recurrence_shapes, lib=library)
    return torch.ops.optimize


def _recurrence_shapes(x: Any, state: Any, weights: Any, *options: Any) -> Any:
    """x [time, batch, features], or batch first; each state [layers * directions, batch, hidden].

    The output's last axis is the hidden size of all directions, which an LSTM with a projection shortens.
    """
    states = list(state) if isinstance(state, list | tuple) else [state]
    both_ways, batch_first = options[-2:]
    hidden = states[0].shape[-1] * (2 if both_ways else 1)
    # As the real kernels do: computed time first, so that the batch-first result is a transposed view.
    leading = [x.shape[1], x.shape[0]] if batch_first else [x.shape[0], x.shape[1]]
    output = x.new_empty([*leading, hidden])
    return (output.transpose(0, 1) if batch_first else output, *(s.new_empty(s.shape) for s in states))


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
        return {"dtype": _dtype_name(value.dtype), "shape": [_size(size) for size in value.shape]}
    kinds = {"bool": (bool, torch.SymBool), "int": (int, torch.SymInt), "float": (float, torch.SymFloat)}
    return next(({"symbol": name} for name, kind in kinds.items() if isinstance(value, kind)), None)


def _size(size: Any) -> int | None:
    """A dimension's size, or None where it is only known when the model runs."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression) if expression.is_number else None


def _dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
