"""Channels that are pruned are gone: the layers are smaller, and what cannot lose any is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimize.converters.pytorch_to_torchscript import FILE
from optimize.errors import Unsupported
from optimize.quantizers import torchscript_static
from optimize.quantizers.channels import remove_channels
from tests.quantizers.test_torch import quantize, write_source

pytest.importorskip("torch_pruning", reason="an environment from before the extra `torch` had torch-pruning")


def pruned(module: Any, *inputs: Any, share: float = 0.5) -> str:
    module.eval().requires_grad_(False)
    return remove_channels(module, lambda: module(*inputs), share)


def test_the_layers_of_a_chain_are_half_as_wide_and_their_readers_with_them() -> None:
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 16),
        nn.ReLU(), nn.Linear(16, 5),
    )  # fmt: skip
    x = torch.randn(2, 3, 8, 8)
    assert pruned(net, x) == "pruned by channels: 301 of 853 weights are left, by torch-pruning"
    shapes = [tuple(parameter.shape) for name, parameter in net.named_parameters() if name.endswith("weight")]
    assert shapes == [(4, 3, 3, 3), (4,), (8, 16), (5, 8)]
    assert net(x).shape == (2, 5) and not any(parameter.requires_grad for parameter in net.parameters())


def test_the_channels_of_the_smallest_norm_go_and_nothing_else_changes() -> None:
    """Those were zero already, so that the answers are the same without them."""
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    with torch.no_grad():
        net[0].weight[1::2] = 0
        net[0].bias[1::2] = 0
        net[2].weight[:, 1::2] = 0
    x = torch.randn(5, 4)
    before = net(x)
    pruned(net, x)
    assert net[0].weight.shape == (4, 4)
    torch.testing.assert_close(net(x), before)


def test_a_model_that_cannot_lose_channels_is_refused_with_why() -> None:
    import torch
    from torch import nn

    class UsedTwice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            return self.head(self.layer(self.layer(x)).reshape(-1, 8))

    with pytest.raises(Unsupported, match=r"torch-pruning cannot take channels out of this model: RuntimeError"):
        pruned(UsedTwice(), torch.randn(2, 8))
    with pytest.raises(Unsupported, match="finds no channel of this model that it can take out"):
        pruned(nn.Sequential(nn.Linear(8, 3)), torch.randn(2, 8))


def test_two_outputs_keep_their_shapes() -> None:
    import torch
    from torch import nn

    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            body = torch.relu(self.body(x))
            return self.first(body), self.second(body)

    with pytest.raises(Unsupported, match=r"without its channels the model gives .*output_0.*\[2, 2\]"):
        pruned(TwoHeads(), torch.randn(2, 8))


def test_what_is_left_is_quantized_and_is_smaller(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    sizes = []
    for prune in (None, {"kind": "channels", "amount": 0.5}):
        folder = tmp_path / str(len(sizes))
        folder.mkdir()
        made = quantize(torchscript_static, source, folder, prune=prune)
        sizes.append((folder / FILE).stat().st_size)
    assert made.notes[0].startswith("pruned by channels: ")
    assert sizes[1] < sizes[0]
