"""TorchScript: a module that was traced or scripted, with the code that it runs."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from pydantic import Field

from optimize.artifact import Artifact
from optimize.errors import Unsupported, UserError
from optimize.signature import Signature
from optimize.sources.base import InputSpec, SourceOptions
from optimize.sources.modules import ModuleSource, first_line
from optimize.sources.modules import prepare as prepare
from optimize.sources.torch_archives import check_kind
from optimize.stages import RuntimeSettings

kind = "torchscript"
libraries = ("torch",)
read_as = ("pytorch",)


class Options(SourceOptions):
    """A TorchScript module. Loading it runs nothing but TorchScript."""

    kind: Literal["torchscript"] = "torchscript"
    file: str
    """The file that `torch.jit.save` wrote."""
    inputs: dict[str, InputSpec] = Field(min_length=1)
    """Inputs by name, in the order of `forward`: TorchScript keeps neither dtypes nor shapes."""

    def paths(self) -> dict[str, str]:
        return {"file": self.file}


def read(model: Artifact) -> Any:
    """The script module in eval mode."""
    import torch

    path = model.path / model.options["file"]
    check_kind(path, kind)
    try:
        module = torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path} cannot be loaded as TorchScript: {first_line(error)}", "source.file") from error
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module.eval()


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> ModuleSource:
    return ModuleSource(loaded, model.signature)


def build_module(model: Artifact) -> Any:
    return translate(read(model), model.signature)


def translate(script: Any, signature: Signature) -> Any:
    """The script as a graph of ATen operators, its branches as `torch.cond`: what torch.export can take.

    Raises Unsupported where torch's own translation lacks an operator or a construct.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = _graph_module(script, signature)
    except Exception as error:
        # The translation is one torch keeps for itself, and raises whatever its rules do.
        raise Unsupported(
            f"torch's translation of TorchScript to ATen cannot take it: {type(error).__name__}: {first_line(error)}"
        ) from error
    _leave_checks_out(module)
    _name_arguments(module, [argument.name for argument in script.forward.schema.arguments[1:]])
    _register_weights(module)
    return module.eval().requires_grad_(False)


def _graph_module(script: Any, signature: Signature) -> Any:
    """`TS2EPConverter` of torch 2.13 up to its graph: what follows there leaves every size to torch's own choice."""
    from torch._export import converter

    own = converter.TS2EPConverter(script, _examples(signature))
    blocks, attributes = converter.get_block_to_lifted_attrs(own.ts_graph)
    module = converter.TS2FXGraphConverter(
        own.ts_graph, own.name_to_param, own.name_to_buffer, blocks, own.name_to_non_tensor_attributes,
        own.name_to_constant, attributes,
    ).convert()  # fmt: skip
    converter.replace_quantized_ops_with_standard_ops(module)
    return module


def _examples(signature: Signature) -> tuple[Any, ...]:
    """Of the right types and ranks; the values play no part."""
    import torch

    shapes = [tuple(2 if isinstance(d, str) else d for d in spec.shape) for spec in signature.inputs]
    return tuple(
        torch.zeros(shape, dtype=getattr(torch, spec.dtype))
        for spec, shape in zip(signature.inputs, shapes, strict=True)
    )


def _leave_checks_out(module: Any) -> None:
    """A branch that does nothing but raise an exception: the sizes it asks about would be fixed by the asking.

    The source was run with its own checks before; scripted recurrent layers compare the sizes of states that they make.
    """
    import torch

    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target is torch.cond and not node.users:
            branches = [getattr(module, part.target) for part in node.args[1:3]]
            if any(_raises(branch) for branch in branches):
                module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()


def _raises(branch: Any) -> bool:
    import torch

    return any(node.target is torch.ops.prim.RaiseException.default for node in branch.graph.nodes)


def _name_arguments(module: Any, names: list[str]) -> None:
    """As `forward` had them: the graph calls `x` `x_1`."""
    arguments = [node for node in module.graph.nodes if node.op == "placeholder"]
    for node, name in zip(arguments, names, strict=False):
        node.target = name
    module.recompile()


def _register_weights(module: Any) -> None:
    """A list of weights, as recurrent layers have one, stands in the graph as bare tensors, which cannot be printed."""
    import torch

    def register(value: Any, node: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        name = f"weight_{len(names)}"
        names.append(name)
        module.register_buffer(name, value)
        with module.graph.inserting_before(node):
            return module.graph.get_attr(name)

    names: list[str] = []
    for node in list(module.graph.nodes):
        node.args = torch.fx.node.map_aggregate(node.args, lambda value, node=node: register(value, node))
    module.recompile()
