"""TorchScript and exported programs, as files that hold their own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.matrix.case import Case

Inputs = dict[str, dict[str, Any]]

X8: Inputs = {"x": {"dtype": "float32", "shape": ["batch", 8]}}
IMAGE: Inputs = {"x": {"dtype": "float32", "shape": ["batch", 1, 8, 8]}}
SEQUENCE: Inputs = {"x": {"dtype": "float32", "shape": ["batch", "sequence", 8]}}


def module(name: str) -> Any:
    """A small module with seeded weights, in eval mode."""
    import torch
    from torch import nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 12, batch_first=True, bidirectional=True)
            self.head = nn.Linear(24, 5)

        def forward(self, x):
            return self.head(self.lstm(x)[0])

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(8, 3), nn.Linear(8, 3)

        def forward(self, x):
            if bool(x.sum() > 0):  # noqa: SIM108 - a branch, for torch.jit.script
                y = self.one(x)
            else:
                y = self.other(x)
            return y

    class Answers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, x) -> dict[str, torch.Tensor]:
            logits = self.layer(x)
            return {"logits": logits, "probabilities": logits.softmax(-1)}

    makers = {
        "mlp": lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)),
        "cnn": lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        ),
        "tagger": Tagger,
        "branch": Branch,
        "answers": Answers,
        "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
    }  # fmt: skip
    torch.manual_seed(0)
    return makers[name]().eval()


def shaped(inputs: Inputs) -> tuple[Any, ...]:
    import torch

    sizes = {"batch": 2, "sequence": 5}
    return tuple(torch.randn([sizes.get(d, d) for d in spec["shape"]]) for spec in inputs.values())


def torchscript(folder: Path, name: str, inputs: Inputs, traced: bool = True) -> dict[str, Any]:
    import torch

    one = module(name)
    script = torch.jit.trace(one, shaped(inputs), strict=False) if traced else torch.jit.script(one)
    script.save(folder / "model.pt")
    return {"source": {"kind": "torchscript", "file": "model.pt", "inputs": inputs}}


def exported_program(folder: Path, name: str, inputs: Inputs) -> dict[str, Any]:
    """The signature is left for the tool to find."""
    import torch

    dimensions = {d: torch.export.Dim(d) for spec in inputs.values() for d in spec["shape"] if isinstance(d, str)}
    shapes = tuple(
        {i: dimensions[d] for i, d in enumerate(spec["shape"]) if isinstance(d, str)} for spec in inputs.values()
    )
    torch.export.save(torch.export.export(module(name), shaped(inputs), dynamic_shapes=shapes), folder / "model.pt2")
    return {"source": {"kind": "exported_program", "file": "model.pt2"}}


SCRIPT = "tests.matrix.zoo_torch_files:torchscript"
PROGRAM = "tests.matrix.zoo_torch_files:exported_program"

CASES = (
    Case("TorchScript of an MLP", "torchscript", SCRIPT, {"name": "mlp", "inputs": X8}),
    Case("TorchScript of a CNN with batch norm", "torchscript", SCRIPT, {"name": "cnn", "inputs": IMAGE, "traced": False}),
    Case("TorchScript of an LSTM, dynamic length", "torchscript", SCRIPT, {"name": "tagger", "inputs": SEQUENCE}),
    Case("scripted LSTM, dynamic length", "torchscript", SCRIPT, {"name": "tagger", "inputs": SEQUENCE, "traced": False}),
    Case("TorchScript with a branch on data", "torchscript", SCRIPT, {"name": "branch", "inputs": X8, "traced": False}),
    Case("TorchScript that gives a dict", "torchscript", SCRIPT, {"name": "answers", "inputs": X8, "traced": False}),
    Case("exported MLP", "exported_program", PROGRAM, {"name": "mlp", "inputs": X8}),
    Case("exported CNN with batch norm", "exported_program", PROGRAM, {"name": "cnn", "inputs": IMAGE}),
    Case("exported transformer encoder, dynamic length", "exported_program", PROGRAM, {"name": "encoder", "inputs": SEQUENCE}),
)  # fmt: skip
