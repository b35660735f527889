"""`torch.export` of a module with every named dimension free, for whatever is then made of the program."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optimize.arrays import Arrays
from optimize.converters.traceable_layers import traceable_layers
from optimize.errors import Unsupported
from optimize.signature import Signature


@dataclass(frozen=True)
class Exported:
    """`how` is the kind of dimension that gave the program; `notes` are the sizes it holds for, where not for all."""

    program: Any
    how: str
    notes: tuple[str, ...]


def export(module: Any, signature: Signature, examples: Arrays, finish: Callable[[Any], Any]) -> Exported:
    """The exported program as `finish` leaves it, with every named dimension of the signature free.

    The module, in eval mode, takes the signature's inputs by position. Raises Unsupported where each kind of dimension
    fails, in torch.export or in `finish`, or ends with a size that is fixed.
    """
    with traceable_layers(module):
        return _export(module, signature, examples, finish)


def _export(module: Any, signature: Signature, examples: Arrays, finish: Callable[[Any], Any]) -> Exported:
    import torch

    refusals: list[str] = []
    last: Exception | None = None
    for how, dimension in _kinds_of_dimension(signature):
        # A failed export leaves its marks on the example tensors: each attempt gets its own.
        tensors = tuple(torch.from_numpy(examples[name].copy()) for name in signature.input_names)
        shapes = _dynamic_shapes(module, signature, dimension)
        try:
            with torch.no_grad():
                exported = torch.export.export(module, tensors, dynamic_shapes=shapes, strict=False)
                program = finish(exported)
        except Exception as error:  # noqa: BLE001 - what the user's forward and torch's passes raise has no common class
            refusals.append(f"{how}: {type(error).__name__}: {_first_lines(error)}")
            last = error
            continue
        fixed = _fixed_dimensions(program, signature) + _frozen_by_guards(exported, module, signature, examples)
        if not fixed:
            return Exported(program, how, _bounds(exported, module, signature))
        refusals.append(f"{how}: {', '.join(fixed)}")
        last = None
    raise Unsupported("torch.export cannot take this model:\n  " + "\n  ".join(refusals)) from last


def _kinds_of_dimension(signature: Signature) -> Iterator[tuple[str, Callable[[str], Any]]]:
    """From the strictest to the most lenient: a named one fails where the code bounds it further than its range."""
    from torch.export import Dim

    yield "named dimensions", lambda name: named_dimension(signature, name)
    yield "Dim.DYNAMIC", lambda _: Dim.DYNAMIC
    yield "Dim.AUTO", lambda _: Dim.AUTO


def named_dimension(signature: Signature, name: str) -> Any:
    """torch.export's Dim, with the sizes the source takes."""
    from torch.export import Dim

    allowed = signature.range_of(name)
    return Dim(name, min=allowed.low if allowed.low > 1 else None, max=allowed.high)


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
        if isinstance(named, str) and known_size(size) is not None
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


def known_size(size: Any) -> int | None:
    """A dimension's size, or None where it is only known when the model runs."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression) if expression.is_number else None
