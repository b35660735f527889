"""PyTorch to TorchScript: traced, or scripted where the trace is wrong; frozen.

A trace follows the path of its one example, so a model that branches on its data, or calculates with sizes, traces to a
wrong model without a word. Each trace is therefore run on other inputs and at other sizes first, and where it differs
`torch.jit.script` is tried: on the model's own code, then on the code of torch.export's graph.
`optimize_for_inference` is left to load time: frozen convolutions do not load again after it (torch 2.13).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.exporting import export
from optimize.converters.scripted_graph import script_program
from optimize.converters.traceable_layers import recur_by_aten
from optimize.errors import Unsupported
from optimize.golden import take
from optimize.samples import Samples
from optimize.signature import Signature

reads = "pytorch"
makes = "torchscript"
libraries = ("torch",)
FILE = "model.pt"


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    import torch

    from optimize.sources.modules import load_module

    module = load_module(model)
    tensors = tuple(torch.from_numpy(examples[name]) for name in model.signature.input_names)
    scripted, method, notes = to_torchscript(module, model.signature, tensors)
    save(scripted, output / FILE)
    return Made(method, notes)


def save(module: Any, path: Path) -> None:
    """Archive members are named after the file, so equal modules are equal bytes only under one name."""
    import torch

    torch.jit.save(module, path)


def to_torchscript(module: Any, signature: Signature, tensors: tuple[Any, ...]) -> tuple[Any, str, tuple[str, ...]]:
    """The frozen module, how it was made, and remarks. `module` takes the tensors by position."""
    import torch

    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit warns at every call that torch.export is its successor.
        traced, problem = _trace(module, signature, tensors)
        if traced is not None:
            return torch.jit.freeze(traced), "torch.jit.trace, frozen", ()
        problems = [f"torch.jit.trace: {problem}"]
        attempts: dict[str, Callable[[], Any]] = {
            "torch.jit.script": lambda: torch.jit.script(_own_module(module, tensors)),
            "torch.jit.script of torch.export's graph": lambda: _exported(module, signature, tensors),
        }
        for how, script in attempts.items():
            try:
                scripted = torch.jit.freeze(script())
            except Exception as error:  # noqa: BLE001 - neither has a common class for what it cannot take
                problems.append(f"{how}: {first_line(error)}")
            else:
                return scripted, f"{how}, frozen", tuple(f"failed first: {one}" for one in problems)
        raise Unsupported("; ".join(problems))


def _exported(module: Any, signature: Signature, tensors: tuple[Any, ...]) -> Any:
    examples = {name: tensor.numpy() for name, tensor in zip(signature.input_names, tensors, strict=True)}
    return script_program(export(module, signature, examples, finish=recur_by_aten).program)


def _own_module(module: Any, tensors: tuple[Any, ...]) -> Any:
    """The user's module without the wrapper, whose `*inputs` cannot be scripted; for that it must be plain itself."""
    import torch

    own = module.model
    result = own(*tensors)
    if isinstance(result, torch.Tensor) or (
        isinstance(result, tuple) and all(isinstance(item, torch.Tensor) for item in result)
    ):
        return own
    raise TypeError(f"the model gives a {type(result).__name__}; only tensors and tuples of them can be scripted")


def _trace(module: Any, signature: Signature, tensors: tuple[Any, ...]) -> tuple[Any, str]:
    """The trace, or None and what is wrong with it."""
    import torch

    try:
        traced = torch.jit.trace(module, tensors, check_trace=False, strict=False)
    except Exception as error:  # noqa: BLE001 - whatever the model's own code raises while it is traced
        return None, first_line(error)
    # Optimized, its second run would compile the graph once more for these few.
    with torch.jit.optimized_execution(False):
        problem = _problem_at_other_inputs(module, traced, tensors)
        problem = problem or _problem_at_other_sizes(module, traced, signature, tensors)
    return (None, problem) if problem else (traced, "")


def _problem_at_other_inputs(module: Any, traced: Any, tensors: tuple[Any, ...]) -> str:
    for name, inputs in _other_inputs(tensors):
        if not _agree(module(*inputs), traced(*inputs)):
            return f"the trace gives other answers than the model {name}"
    return ""


def _problem_at_other_sizes(module: Any, traced: Any, signature: Signature, tensors: tuple[Any, ...]) -> str:
    """Nothing where the trace holds, or where the model itself refuses these sizes."""
    words, inputs = _resized(signature, tensors)
    if not words:
        return ""
    try:
        expected = module(*inputs)
    except Exception:  # noqa: BLE001 - whatever the model's own code raises; the golden says so where it matters
        return ""
    try:
        holds = _agree(expected, traced(*inputs))
    except RuntimeError as error:
        return f"the trace does not run at {words}: {last_line(error)}"
    return "" if holds else f"the trace gives other answers than the model at {words}"


def _resized(signature: Signature, tensors: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The example at the next size of every named dimension that its range allows, and those sizes in words."""
    import torch

    arrays = {name: tensor.numpy() for name, tensor in zip(signature.input_names, tensors, strict=True)}
    pairs = [pair for s in signature.inputs for pair in zip(s.shape, arrays[s.name].shape, strict=True)]
    traced = {name: size for name, size in pairs if isinstance(name, str)}
    sizes = {name: _next(signature, name, size) for name, size in traced.items()}
    if sizes == traced:
        return "", tensors
    taken = take(signature, Samples(arrays), sizes)
    words = ", ".join(f"{name}={size}" for name, size in sizes.items())
    return words, tuple(torch.from_numpy(taken[name]) for name in signature.input_names)


def _next(signature: Signature, name: str, size: int) -> int:
    allowed = signature.range_of(name)
    return next((other for other in (size + 1, size - 1) if other > 0 and allowed.clip(other) == other), size)


def _other_inputs(tensors: tuple[Any, ...]) -> list[tuple[str, tuple[Any, ...]]]:
    """Inputs that take other branches, should there be any: the example's values, changed."""
    import torch

    def changed(tensor: Any, change: Any) -> Any:
        return change(tensor) if tensor.is_floating_point() else tensor

    others = [
        ("with the signs of the inputs changed", lambda t: -t),
        ("at ten times the inputs", lambda t: 10 * t),
        ("at inputs of zero", torch.zeros_like),
    ]
    return [("at the example", tensors)] + [(name, tuple(changed(t, f) for t in tensors)) for name, f in others]


def _agree(one: Any, other: Any) -> bool:
    import torch

    ones, others = ((x,) if isinstance(x, torch.Tensor) else tuple(x) for x in (one, other))
    return len(ones) == len(others) and all(
        torch.allclose(a.double(), b.double(), rtol=1e-3, atol=1e-5, equal_nan=True)
        for a, b in zip(ones, others, strict=True)
    )


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def last_line(error: Exception) -> str:
    """TorchScript puts its own call stack before what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
