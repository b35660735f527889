"""PyTorch modules, built from code or from configurations, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.matrix.case import Case

ROOT = Path(__file__).parents[2]


def mlp(folder: Path) -> dict[str, Any]:
    return save(folder, "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))\n",
                {"x": {"dtype": "float32", "shape": ["batch", 8]}})  # fmt: skip


def save(folder: Path, code: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """`code` defines `make`; its module is saved as it comes, with seeded weights."""
    import torch
    from safetensors.torch import save_file

    (folder / "model.py").write_text(code, encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "model"}
    torch.manual_seed(0)
    exec(compile(code, "model.py", "exec"), namespace)
    save_file(namespace["make"]().state_dict(), folder / "weights.safetensors")
    return {
        "source": {"kind": "pytorch", "factory": "model.py:make", "weights": "weights.safetensors", "inputs": inputs}
    }


CASES = (Case("MLP", "pytorch", "tests.matrix.zoo_pytorch:mlp"),)
