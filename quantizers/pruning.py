"""Weights of a PyTorch module set to zero, or channels taken out of it, before it is quantized.

Zeros leave the shapes as they are: dense kernels multiply them like other numbers, so that what is gained is bytes
where the file is compressed, as a bundle is. Time would be gained by kernels for sparse weights alone, and none of the
formats has them on CPUs. A model loses accuracy by it unless it is trained on; what it loses is checked as for any
candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from optimize.errors import Unsupported
from optimize.quantizers.channels import remove_channels
from optimize.sections import Section


class Pruning(Section):
    """Which weights of linear layers and convolutions go."""

    kind: Literal["magnitude", "n_m", "channels"] = "magnitude"
    """The smallest of all layers together become zero; all but the `n` largest of each `m` neighbours do; of each layer
    but the last the output channels with the smallest norms are taken out, so that it is smaller and faster."""
    amount: float = Field(default=0.5, gt=0, lt=1)
    """Share of the weights that becomes zero, or of the channels that is taken out."""
    n: PositiveInt = 2
    m: PositiveInt = 4

    @model_validator(mode="after")
    def _some_of_them(self) -> Pruning:
        if self.n >= self.m:
            raise ValueError(f"n {self.n} of m {self.m} leaves nothing out; write n less than m, such as n: 2, m: 4")
        return self


def prune(module: Any, run: Callable[[], Any], wanted: Pruning) -> str:
    """Changes the module, and says how; `run` calls it on real inputs. Raises Unsupported where no layer can be."""
    from torch import nn

    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    if not layers:
        raise Unsupported("the model has no nn.Linear or convolution whose weights could be pruned")
    return remove_channels(module, run, wanted.amount) if wanted.kind == "channels" else _zero(layers, wanted)


def _zero(layers: list[Any], wanted: Pruning) -> str:
    from torch.nn.utils import prune as torch_prune

    if wanted.kind == "magnitude":
        weights = [(layer, "weight") for layer in layers]
        torch_prune.global_unstructured(weights, torch_prune.L1Unstructured, amount=wanted.amount)
    else:
        for layer in layers:
            torch_prune.custom_from_mask(layer, "weight", _largest(layer.weight, wanted.n, wanted.m))
    for layer in layers:
        torch_prune.remove(layer, "weight")
    total = sum(layer.weight.numel() for layer in layers)
    zeros = sum(int((layer.weight == 0).sum()) for layer in layers)
    return (
        f"pruned by {wanted.kind}: {zeros / total:.0%} of {total:,} weights are zero, which dense kernels do not skip"
    )


def _largest(weight: Any, n: int, m: int) -> Any:
    """1 at the n largest of each m neighbours along a flattened row of the weights, and where m does not fill rows."""
    import torch

    rows = weight.detach().abs().reshape(len(weight), -1)
    if rows.shape[1] % m:
        return torch.ones_like(weight)
    groups = rows.reshape(-1, m)
    kept = torch.zeros_like(groups).scatter_(1, groups.topk(n, dim=1).indices, 1.0)
    return kept.reshape(weight.shape)
