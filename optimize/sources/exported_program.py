"""An exported program, as `torch.export.save` writes it: PyTorch's graph, its weights and the sizes it holds for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Dimension, Range, Signature, TensorSpec
from optimize.sources.base import DTYPES, SourceOptions
from optimize.sources.modules import ModuleSource, first_line
from optimize.sources.modules import prepare as prepare
from optimize.sources.torch_archives import check_kind, executes
from optimize.stages import RuntimeSettings

kind = "exported_program"
libraries = ("torch",)
read_as = ("pytorch",)


class Options(SourceOptions):
    """An exported program; its signature is its own unless `inputs` says otherwise."""

    kind: Literal["exported_program"] = "exported_program"
    file: str
    """The `.pt2` file."""

    def paths(self) -> dict[str, str]:
        return {"file": self.file}


def read(model: Artifact) -> Any:
    """The program. Raises UserError for what is none, and for one that executes more than torch's operators."""
    import torch

    path = model.path / model.options["file"]
    check_kind(path, kind)
    if not model.options["trust"] and (found := executes(path)):
        raise UserError(
            f"opening {path} would execute {', '.join(found[:5])}; if you made this file yourself, put `trust: true` "
            f"under `source`",
            "source.file",
        )
    try:
        return torch.export.load(path)
    except (RuntimeError, ValueError, KeyError, AssertionError, TypeError) as error:
        raise UserError(
            f"{path} cannot be loaded as an exported program: {first_line(error)}", "source.file"
        ) from error


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> ModuleSource:
    own = signature_of(loaded, model.path / model.options["file"])
    return ModuleSource(_module(loaded), _declared(model.signature, own) if model.signature.inputs else own)


def _declared(signature: Signature, own: Signature) -> Signature:
    """As the file has it: other names are taken for the program's inputs, in their order."""
    names = signature.input_names
    if len(names) != len(own.inputs) or (names != own.input_names and set(names) == set(own.input_names)):
        raise UserError(f"the file says {signature}, and the program takes {own}, in this order", "source.inputs")
    return signature


def build_module(model: Artifact) -> Any:
    return _module(read(model)).requires_grad_(False)


def _module(program: Any) -> Any:
    """Takes the program's inputs by position, also those that `forward` had by keyword, or inside of a list or dict."""
    import torch
    from torch.utils import _pytree

    class Program(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.graph = program.module()
            # torch forbids to change the mode of an exported program, which a module does to all its parts.
            del self.graph.train, self.graph.eval

        def forward(self, *inputs: Any) -> Any:
            arguments, keywords = _pytree.tree_unflatten(inputs, program.call_spec.in_spec)
            return self.graph(*arguments, **keywords)

    return Program().eval()


def signature_of(program: Any, path: Path) -> Signature:
    """The program's inputs. A size that several inputs share has one name: `batch` on the first axis, else `dim_1`."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    names: dict[str, str] = {}
    specs = [_spec(name, nodes, names, path) for name in program.graph_signature.user_inputs]
    ranges = {
        names[str(symbol)]: _range(allowed)
        for symbol, allowed in program.range_constraints.items()
        if str(symbol) in names and _range(allowed) != Range()
    }
    return Signature(tuple(specs), ranges=ranges)


def _spec(name: Any, nodes: Mapping[str, Any], names: dict[str, str], path: Path) -> TensorSpec:
    value = nodes[name].meta["val"] if name in nodes else name
    dtype = str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")
    if dtype not in DTYPES or not hasattr(value, "shape"):
        raise UserError(f"{path}: input {name} is {dtype}, and not a tensor that this tool carries", "source.file")
    return TensorSpec(name, dtype, tuple(_dimension(size, axis, names) for axis, size in enumerate(value.shape)))


def _dimension(size: Any, axis: int, names: dict[str, str]) -> Dimension:
    if isinstance(size, int):
        return size
    symbol = str(size)
    if symbol not in names:
        free = "batch" if axis == 0 else f"dim_{axis}"
        names[symbol] = f"{free}_{len(names)}" if free in names.values() else free
    return names[symbol]


def _range(allowed: Any) -> Range:
    """torch's bounds: 0 and 1 are alike to it, and no bound is an infinity of its own."""
    from torch.utils._sympy.numbers import int_oo

    return Range(max(1, int(allowed.lower)), None if allowed.upper == int_oo else int(allowed.upper))
