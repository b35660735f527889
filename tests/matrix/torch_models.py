"""Models as users have them, one factory each; copied beside the pipeline file as model.py."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 5),
    )  # fmt: skip


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 12)
        self.lstm = nn.LSTM(12, 8, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 6)

    def forward(self, tokens):
        return self.head(self.lstm(self.embed(tokens))[0])


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.table, self.head = nn.Linear(16, 8), nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, image, table):
        mixed = F.gelu(self.image(image.flatten(1)) * self.table(table))
        return {"logits": self.head(mixed), "norm": mixed.norm(dim=1)}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.body = nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(torch.relu(self.body(self.embed(tokens))))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        if x.sum() > 0:
            return self.up(x)
        return self.down(x) * 2


class LeftInTraining(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 3))
        self.train()

    def forward(self, x):
        return self.layers(x)


class ManyTypes(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(10, 8), nn.Linear(8, 3)

    def forward(self, tokens, mask, weights):
        found = self.embed(tokens) * mask[..., None]
        return self.head((found * weights.float()[..., None]).sum(1)), mask.sum(1)


class Untouched(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return {"logits": self.head(x), "same": x}


@dataclass
class Found:
    scores: torch.Tensor
    parts: dict[str, torch.Tensor | tuple[torch.Tensor, ...]]
    nothing: torch.Tensor | None = None


class Nested(nn.Module):
    """A dataclass of dicts and tuples; of two inputs one may be left out, and is."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x, weights=None):
        hidden = torch.relu(self.layer(x))
        weighed = hidden if weights is None else hidden * weights[..., None]
        return Found(self.head(weighed), {"mean": weighed.mean(1), "ends": (weighed[:, 0], weighed[:, -1])})


class UsedTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(torch.relu(self.layer(torch.relu(self.layer(x)))))


class TenDimensions(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(1, 2, 2))

    def forward(self, x):
        return (x * self.scale).sum(-1)


class Logits(nn.Module):
    def __init__(self, model, **fixed):
        super().__init__()
        self.model, self.fixed = model, fixed

    def forward(self, **inputs):
        return self.model(**inputs, **self.fixed).logits


def hugging(kind, config, attention="eager", **settings):
    import transformers

    made = getattr(transformers, config)(**settings)
    return getattr(transformers, kind)._from_config(made, attn_implementation=attention)


def resnet50(**sizes):
    return hugging("ResNetForImageClassification", "ResNetConfig", **sizes)


def vit():
    sizes = {"hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 192}
    return hugging("ViTForImageClassification", "ViTConfig", image_size=32, patch_size=8, **sizes)


def bert():
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    return hugging("BertModel", "BertConfig", vocab_size=100, max_position_embeddings=64, **sizes)


def gpt2():
    sizes = {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100, "n_positions": 64}
    return hugging("GPT2LMHeadModel", "GPT2Config", attention="sdpa", use_cache=False, **sizes)
