"""PyTorch to TorchScript: traced, or scripted where the trace is wrong; frozen.

A trace follows the path of its one example, so a model that branches on its data traces to a wrong model without a
word. Each trace is therefore run on other inputs first, and `torch.jit.script` is tried where it differs.
`optimize_for_inference` is left to load time: frozen convolutions do not load again after it (torch 2.13).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported

reads = "pytorch"
makes = "torchscript"
libraries = ("torch",)
FILE = "model.pt"


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    import torch

    from optimize.sources.modules import load_module

    module = load_module(model)
    tensors = tuple(torch.from_numpy(examples[name]) for name in model.signature.input_names)
    scripted, method, notes = to_torchscript(module, tensors)
    save(scripted, output / FILE)
    return Made(method, notes)


def save(module: Any, path: Path) -> None:
    """Archive members are named after the file, so equal modules are equal bytes only under one name."""
    import torch

    torch.jit.save(module, path)


def to_torchscript(module: Any, tensors: tuple[Any, ...]) -> tuple[Any, str, tuple[str, ...]]:
    """The frozen module, how it was made, and remarks. `module` takes the tensors by position."""
    import torch

    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit warns at every call that torch.export is its successor.
        traced, problem = _trace(module, tensors)
        if traced is not None:
            return torch.jit.freeze(traced), "torch.jit.trace, frozen", ()
        try:
            scripted = torch.jit.script(_own_module(module, tensors))
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise Unsupported(f"torch.jit.trace: {problem}; torch.jit.script: {first}") from error
        return torch.jit.freeze(scripted), "torch.jit.script, frozen", (f"not traced: {problem}",)


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


def _trace(module: Any, tensors: tuple[Any, ...]) -> tuple[Any, str]:
    """The trace, or None and what is wrong with it."""
    import torch

    try:
        traced = torch.jit.trace(module, tensors, check_trace=False, strict=False)
    except Exception as error:  # noqa: BLE001 - whatever the model's own code raises while it is traced
        return None, str(error).strip().splitlines()[0]
    for name, inputs in _other_inputs(tensors):
        if not _agree(module(*inputs), traced(*inputs)):
            return None, f"the trace gives other answers than the model {name}"
    return traced, ""


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
