"""Train the example and write its weights and data beside this file: `python examples/digits/train.py`.

scikit-learn's bundled handwritten digits: 1,797 images in ten classes. A fifth is held out for evaluation; 200 of the
training rows are kept as calibration data. Seeds are fixed and one thread is used, so that a second run on the same
machine makes the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from model import DigitsNet
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

EPOCHS, BATCH, SEED = 25, 64, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    output = parser.parse_args().output
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    x, held_x, y, held_y = train_test_split(images, labels, test_size=0.2, random_state=SEED, stratify=labels)
    net = train(torch.from_numpy(x), torch.from_numpy(y))
    accuracy = evaluate(net, held_x, held_y)
    print(f"held-out accuracy: {accuracy:.4f} on {len(held_y)} images")
    output.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), output / "weights.safetensors")
    np.savez(output / "calibration.npz", image=x[:200])
    np.savez(output / "evaluation.npz", image=held_x, label=held_y.astype(np.int64))


def train(x: torch.Tensor, y: torch.Tensor) -> DigitsNet:
    net = DigitsNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=EPOCHS * -(-len(x) // BATCH))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows], label_smoothing=0.05).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def evaluate(net: DigitsNet, x: np.ndarray, y: np.ndarray) -> float:
    with torch.inference_mode():
        return float((net(torch.from_numpy(x)).argmax(1).numpy() == y).mean())


if __name__ == "__main__":
    main()
