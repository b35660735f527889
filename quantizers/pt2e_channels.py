"""What AOTInductor's int8 convolutions need of an exported graph to be right.

An image of one channel lies in memory channels last and channels first alike. Where a size of it is free, Inductor
takes the output of a convolution of it to be channels first, which holds for float kernels (pytorch pull request
121400); oneDNN's int8 kernels always write channels last, and what reads them reads other channels' values (cosine 0.1
on the digits CNN, torch 2.13). With a second channel of zeros there is one layout only.
"""

from __future__ import annotations

from typing import Any


def widen_single_channels(graph: Any) -> None:
    """Gives each convolution of one channel and free sizes a second one, of zeros in its input and its weights.

    `graph` is the `torch.fx.GraphModule` of an exported program, and is changed in place.
    """
    import torch

    kinds = (torch.ops.aten.conv2d.default, torch.ops.aten.conv3d.default)
    nodes = [node for node in graph.graph.nodes if node.target in kinds and _is_ambiguous(node)]
    for index, node in enumerate(nodes):
        source, weight = node.args[:2]
        name = f"widened_{index}"
        graph.register_parameter(name, torch.nn.Parameter(_padded(_attribute(graph, weight)), requires_grad=False))
        with graph.graph.inserting_before(node):
            image = graph.graph.call_function(torch.ops.aten.pad.default, (source, _padding(source)))
            image.meta["val"] = _padded(source.meta["val"])
            node.args = (image, graph.graph.get_attr(name), *node.args[2:])
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _is_ambiguous(node: Any) -> bool:
    _, channels, *others = node.args[0].meta["val"].shape
    batch = node.args[0].meta["val"].shape[0]
    return bool(channels == 1) and not all(isinstance(size, int) for size in (batch, *others))


def _attribute(graph: Any, node: Any) -> Any:
    found = graph
    for name in node.target.split("."):
        found = getattr(found, name)
    return found.detach()


def _padding(node: Any) -> list[int]:
    return [*[0, 0] * (node.meta["val"].dim() - 2), 0, 1]


def _padded(tensor: Any) -> Any:
    import torch

    return torch.nn.functional.pad(tensor, [*[0, 0] * (tensor.dim() - 2), 0, 1])
