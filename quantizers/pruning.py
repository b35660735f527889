"""Weights of a PyTorch module set to zero before it is quantized.

Shapes stay as they are: dense kernels multiply zeros like other numbers, so that what is gained is bytes where the file
is compressed, as a bundle is. Time is gained by kernels for sparse weights alone, and none of the formats has them on
CPUs. A model loses accuracy by it unless it is trained on; what it loses is checked as for any candidate.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from optimize.errors import Unsupported
from optimize.sections import Section


class Pruning(Section):
    """Which weights of linear layers and convolutions become zero."""

    kind: Literal["magnitude", "n_m", "channels"] = "magnitude"
    """The smallest of all layers together; all but the `n` largest of each `m` neighbours; of each layer but the last
    the output channels with the smallest norms."""
    amount: float = Field(default=0.5, gt=0, lt=1)
    """Share of the weights, or of the channels, that becomes zero."""
    n: PositiveInt = 2
    m: PositiveInt = 4

    @model_validator(mode="after")
    def _some_of_them(self) -> Pruning:
        if self.n >= self.m:
            raise ValueError(f"n {self.n} of m {self.m} leaves nothing out; write n less than m, such as n: 2, m: 4")
        return self


def prune(module: Any, wanted: Pruning) -> str:
    """Changes the module's weights, and says how. Raises Unsupported where it has no such layers."""
    from torch import nn
    from torch.nn.utils import prune as torch_prune

    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    if not layers:
        raise Unsupported("the model has no nn.Linear or convolution whose weights could be pruned")
    if wanted.kind == "magnitude":
        weights = [(layer, "weight") for layer in layers]
        torch_prune.global_unstructured(weights, torch_prune.L1Unstructured, amount=wanted.amount)
    elif wanted.kind == "channels":
        for layer in layers[:-1]:
            torch_prune.ln_structured(layer, "weight", amount=wanted.amount, n=2, dim=0)
    else:
        for layer in layers:
            torch_prune.custom_from_mask(layer, "weight", _largest(layer.weight, wanted.n, wanted.m))
    for layer in layers:
        if torch_prune.is_pruned(layer):
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
