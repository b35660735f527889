"""Teach a small model what a large one answers: `python examples/distillation/distill.py`, from the repository's root.

The loss is the divergence of softened answers (Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural
Network): no labels are read. Rows are mixed with one another and disturbed, since the teacher answers anything. The
student's weights then go through the pipeline like any others: `optimize run examples/distillation/pipeline.yaml`.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

HERE, DIGITS = Path(__file__).parent, Path(__file__).parents[1] / "digits"
TEMPERATURE, BATCH, SEED = 3.0, 128, 7


def build(reference: str) -> nn.Module:
    """`path/to/file.py:Name`, called without arguments."""
    path, _, name = reference.rpartition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: nn.Module = getattr(module, name)()
    return made


def distill(teacher: nn.Module, student: nn.Module, rows: torch.Tensor, steps: int, budget_s: float) -> int:
    """Steps done: `steps`, or as many as `budget_s` seconds took."""
    optimizer = torch.optim.AdamW(student.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    ends = time.monotonic() + budget_s
    for step in range(steps):
        if time.monotonic() > ends:
            return step
        inputs = disturbed(rows)
        with torch.no_grad():
            wanted = nn.functional.log_softmax(teacher(inputs) / TEMPERATURE, 1)
        optimizer.zero_grad()
        given = nn.functional.log_softmax(student(inputs) / TEMPERATURE, 1)
        loss = nn.functional.kl_div(given, wanted, reduction="batchmean", log_target=True) * TEMPERATURE**2
        loss.backward()
        optimizer.step()
        schedule.step()
    return steps


def disturbed(rows: torch.Tensor) -> torch.Tensor:
    """A batch of rows, each mixed with a little of another, moved by up to a pixel, and with noise."""
    one, other = rows[torch.randint(len(rows), (BATCH,))], rows[torch.randint(len(rows), (BATCH,))]
    share = torch.rand(BATCH, *[1] * (rows.ndim - 1)) * 0.4
    moved = torch.roll(one * (1 - share) + other * share, tuple(torch.randint(-1, 2, (2,)).tolist()), (-2, -1))
    return (moved + 0.05 * torch.randn_like(moved)).clamp(0, 1)


def accuracy(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    with torch.inference_mode():
        return float((model(torch.from_numpy(x)).argmax(1).numpy() == y).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", default=f"{DIGITS / 'model.py'}:DigitsNet")
    parser.add_argument("--weights", type=Path, default=DIGITS / "weights.safetensors")
    parser.add_argument("--student", default=f"{HERE / 'student.py'}:Student")
    parser.add_argument("--data", type=Path, default=DIGITS / "calibration.npz", help=".npz with the input's rows")
    parser.add_argument("--evaluation", type=Path, default=DIGITS / "evaluation.npz", help="and with their label")
    parser.add_argument("--input", default="image", help="name of the array that holds the rows")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--budget-s", type=float, default=60.0, help="stop after so many seconds")
    parser.add_argument("--output", type=Path, default=HERE / "build" / "weights.safetensors")
    wanted = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    teacher, student = build(wanted.teacher).eval(), build(wanted.student)
    teacher.load_state_dict(load_file(wanted.weights))
    rows = torch.from_numpy(np.load(wanted.data)[wanted.input])
    done = distill(teacher, student, rows, wanted.steps, wanted.budget_s)
    held = np.load(wanted.evaluation)
    scores = [accuracy(model.eval(), held[wanted.input], held["label"]) for model in (teacher, student)]
    sizes = [sum(p.numel() for p in model.parameters()) for model in (teacher, student)]
    print(f"{done} steps; teacher {scores[0]:.4f} with {sizes[0]:,} weights, student {scores[1]:.4f} with {sizes[1]:,}")
    wanted.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(student.state_dict(), wanted.output)


if __name__ == "__main__":
    main()
