"""Modules that the tests of the methods on PyTorch quantize."""

from torch import nn


class Net(nn.Module):
    def __init__(self, width: int = 32, channels: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(32, width), nn.ReLU(), nn.Linear(width, 5))

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.head(self.body(x))
