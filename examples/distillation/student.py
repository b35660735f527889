"""The student: one convolution, with a 27th of the weights of its teacher."""

from __future__ import annotations

import torch
from torch import nn


class Student(nn.Module):
    """[batch, 1, 8, 8] of values in 0..1 to [batch, 10] logits."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * width, 10)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(image)
        return logits
