"""Run in a process with torch: `onnx_export.py FOLDER CASE…` exports modules, with inputs and torch's own outputs."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optimize.arrays import save_arrays
from optimize.signature import Signature, TensorSpec


class Convolutional(nn.Module):
    """Depthwise and grouped convolutions, batch norms, a residual, pooling; of any image size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.inner = nn.Sequential(
            nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16), nn.Hardswish(), nn.Conv2d(16, 16, 3, 1, 1, groups=16),
            nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8),
        )  # fmt: skip
        self.pool = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 12, 3, groups=2, padding=1))
        self.head = nn.Linear(12, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        x = self.pool(x + self.inner(x))
        return self.head(x.mean((2, 3)))


class Tagger(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.memory = kind(6, 7, 2, bidirectional=True, batch_first=True)
        self.tags = nn.Linear(14, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        tags: Tensor = self.tags(self.memory(self.words(tokens))[0])
        return tags


class Attentive(nn.Module):
    """Sizes computed, reshaped and expanded from those of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.norm, self.out = nn.Linear(8, 24), nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = self.project(x).view(batch, length, 3, 2, 4).permute(2, 0, 3, 1, 4)
        mask = torch.ones(length, length).tril().expand(batch, 2, length, length)
        weights = (q @ k.transpose(-1, -2) / 2).masked_fill(mask == 0, float("-inf")).softmax(-1)
        mixed = (weights @ v).transpose(1, 2).reshape(batch, length, 8)
        x = self.norm(x + self.out(mixed))
        return torch.cat([x, x.mean(1, keepdim=True).expand_as(x)], -1)


class Drawing(nn.Module):
    """Up and down again: a U-shaped network."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(2, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2)
        self.norm, self.last = nn.GroupNorm(2, 8), nn.Conv2d(8, 2, 3, padding="same")

    def forward(self, image: Tensor) -> Tensor:
        x = torch.relu(self.down(image))
        low = self.up(nn.functional.avg_pool2d(x, 2))
        wide = nn.functional.interpolate(low, scale_factor=2.0, mode="bilinear")
        picture: Tensor = self.last(self.norm(torch.cat([x, wide[..., ::2, ::2]], 1)))
        return picture


def bert() -> nn.Module:
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20)
    return _HuggingFace(BertModel(config))


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    return _HuggingFace(GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=2)))


class _HuggingFace(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        model.config.use_cache = False
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask)[0]
        return found


def _image(batch: int, size: int) -> tuple[Tensor, ...]:
    return (torch.randn(batch, 3, 8 * size, 8 * size + 4),)


def _tokens(batch: int, size: int) -> tuple[Tensor, ...]:
    return (torch.randint(0, 20, (batch, size)),)


def _masked(batch: int, size: int) -> tuple[Tensor, ...]:
    mask = torch.ones(batch, size, dtype=torch.int64)
    mask[0, size // 2 :] = 0
    return torch.randint(0, 50, (batch, size)), mask


@dataclass(frozen=True)
class Case:
    make: Callable[[], nn.Module]
    inputs: Callable[[int, int], tuple[Tensor, ...]]
    shapes: dict[str, tuple[Any, ...]]
    dynamo: bool = True
    operators: int = 20


_IMAGE = {"image": ("batch", 3, "height", "width")}
_TEXT = {"tokens": ("batch", "length")}
_ROWS = {"x": ("batch", "length", 8)}
_HF = {"input_ids": ("batch", "length"), "attention_mask": ("batch", "length")}
_layer = lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)  # noqa: E731

CASES = {
    "mlp": Case(
        lambda: nn.Sequential(nn.Linear(8, 300), nn.GELU(), nn.Linear(300, 3), nn.Softmax(-1)),
        lambda b, s: (torch.randn(b, 8),), {"x": ("batch", 8)}, operators=18,
    ),
    "cnn": Case(Convolutional, _image, _IMAGE),
    "cnn_older_exporter": Case(Convolutional, _image, _IMAGE, dynamo=False, operators=11),
    "lstm": Case(lambda: Tagger(nn.LSTM), _tokens, _TEXT, dynamo=False, operators=17),
    "gru": Case(lambda: Tagger(nn.GRU), _tokens, _TEXT, dynamo=False, operators=14),
    "attention": Case(Attentive, lambda b, s: (torch.randn(b, s, 8),), _ROWS),
    "attention_older_exporter": Case(Attentive, lambda b, s: (torch.randn(b, s, 8),), _ROWS, False, 14),
    "drawing_older_exporter": Case(
        Drawing, lambda b, s: (torch.randn(b, 2, 4 * s, 4 * s),), {"image": ("batch", 2, "height", "width")}, False, 18
    ),
    "transformer_encoder": Case(_layer, lambda b, s: (torch.randn(b, s, 8),), _ROWS),
    "bert": Case(bert, _masked, _HF),
    "bert_older_exporter": Case(bert, _masked, _HF, dynamo=False, operators=17),
    "gpt2": Case(gpt2, _masked, _HF),
}  # fmt: skip


def export(case: Case, folder: Path) -> None:
    torch.manual_seed(0)
    module = case.make().eval()
    for buffer in module.buffers():
        if buffer.dtype == torch.float32 and buffer.ndim == 1:
            buffer.uniform_(0.5, 1.5)  # Statistics of a batch norm that has seen something.
    axes = {
        name: {axis: size for axis, size in enumerate(shape) if isinstance(size, str)}
        for name, shape in case.shapes.items()
    }
    dynamic: dict[str, Any] = (
        {"dynamic_shapes": tuple(dict.fromkeys(a, torch.export.Dim.DYNAMIC) for a in axes.values())}
        if case.dynamo
        else {"dynamic_axes": axes}
    )
    examples = case.inputs(2, 5)
    torch.onnx.export(
        module, examples, str(folder / "model.onnx"), input_names=list(case.shapes), output_names=["output"],
        dynamo=case.dynamo, opset_version=case.operators, verbose=False, **dynamic,
    )  # fmt: skip
    specs = [
        TensorSpec(name, str(example.dtype).removeprefix("torch."), shape)
        for (name, shape), example in zip(case.shapes.items(), examples, strict=True)
    ]
    with torch.no_grad():
        for index, sizes in enumerate(((1, 7), (3, 4))):
            inputs = case.inputs(*sizes)
            save_arrays(folder / f"expected{index}.npz", {"output": module(*inputs).numpy()})
            save_arrays(
                folder / f"inputs{index}.npz",
                {n: t.numpy() for n, t in zip(case.shapes, inputs, strict=True)},
            )
    free = (None,) * module(*examples).ndim
    output = TensorSpec("output", "float32", tuple(f"dim_{axis}" for axis in range(len(free))))
    (folder / "signature.json").write_text(json.dumps(Signature(tuple(specs), (output,)).to_json()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in sys.argv[2:]:
        folder = Path(sys.argv[1]) / name
        folder.mkdir(exist_ok=True)
        export(CASES[name], folder)
