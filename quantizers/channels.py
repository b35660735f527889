"""Whole output channels taken out of a PyTorch module, with what reads them, by torch-pruning's dependency graph.

What is left are smaller dense layers, which every runtime computes in less time: the one kind of pruning that gains
latency here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimize.errors import Unsupported
from optimize.sources.modules import first_line, flatten


def remove_channels(module: Any, run: Callable[[], Any], share: float) -> str:
    """Takes this share of the channels of each layer but the last out, those of the smallest norm, and says so.

    `run` calls the module on real inputs. Raises Unsupported where torch-pruning cannot follow the model, or where an
    output would have another shape.
    """
    import torch_pruning

    before, shapes = _weights(module), _shapes(run())
    module.requires_grad_(True)  # The graph is read off what autograd records.
    try:
        torch_pruning.pruner.MagnitudePruner(
            module, None, importance=torch_pruning.importance.MagnitudeImportance(p=2), pruning_ratio=share,
            ignored_layers=_layers(module)[-1:], forward_fn=lambda *_: list(flatten(run()).values()),
        ).step()  # fmt: skip
        found = _shapes(run())
    except Exception as error:
        # Whatever its graph, or the user's forward on smaller layers, raises.
        raise Unsupported(
            f"torch-pruning cannot take channels out of this model: {type(error).__name__}: {first_line(error)}"
        ) from error
    finally:
        module.requires_grad_(False)
    if found != shapes:
        raise Unsupported(f"without its channels the model gives {found}, and not {shapes}")
    if _weights(module) >= before:
        raise Unsupported("torch-pruning finds no channel of this model that it can take out")
    return f"pruned by channels: {_weights(module):,} of {before:,} weights are left, by torch-pruning"


def _layers(module: Any) -> list[Any]:
    from torch import nn

    return [layer for layer in module.modules() if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))]


def _weights(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _shapes(result: Any) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in flatten(result).items()}
