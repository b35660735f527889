"""What calibrating ResNet-50 takes of memory, by every method of quantization that calibrates.

`python benchmarks/studies/calibration_memory.py [--rows 10000] [--pixels 224] [--only METHOD...]` prints one line a
method: the peak that the step's own process saw, as the report has it. Weights are random (transformers'
configuration), rows are generated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from optimize.reports.model import StepReport

LIMIT_BYTES = 1.5e9
METHODS = {
    "onnx, minmax": ("onnx", "static", {"calibration": "minmax"}),
    "onnx, moving average": ("onnx", "static", {"calibration": "moving_average"}),
    "onnx, percentile": ("onnx", "static", {"calibration": "percentile"}),
    "onnx, entropy": ("onnx", "static", {"calibration": "entropy"}),
    "onnx, smoothquant": ("onnx", "smoothquant", {"calibration": "minmax"}),
    "openvino": ("openvino", "static", {}),
    "openvino, slow correction": ("openvino", "static", {"bias_correction": "accurate"}),
    "torchscript": ("torchscript", "static", {}),
    "exported_program": ("exported_program", "static", {}),
    "aotinductor": ("aotinductor", "static", {}),
    "saved_model": ("saved_model", "static", {}),
    "litert": ("litert", "static", {}),
}
MODEL = """
import torch
from transformers import ResNetConfig, ResNetForImageClassification
class Logits(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = ResNetForImageClassification(ResNetConfig(num_labels=1000))
    def forward(self, x):
        return self.model(pixel_values=x).logits
"""
SETUP = """
import sys, numpy as np, torch
from model import Logits
from safetensors.torch import save_file
torch.manual_seed(0)
save_file(Logits().state_dict(), "weights.safetensors")
x = np.random.default_rng(1).standard_normal((8, 3, int(sys.argv[1]), int(sys.argv[1])), np.float32)
np.savez("evaluation.npz", x=x, label=np.zeros(8, np.int64))
"""
ROWS = """
import numpy as np
def rows():
    rng = np.random.default_rng(0)
    while True:
        yield {"x": rng.standard_normal((3, PIXELS, PIXELS), np.float32)}
"""


def main(rows: int, pixels: int, only: Sequence[str]) -> int:
    worst, ended = 0, set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(MODEL, encoding="utf-8")
        subprocess.run([sys.executable, "-c", SETUP, str(pixels)], cwd=folder, check=True, capture_output=True)
        (folder / "rows.py").write_text(ROWS.replace("PIXELS", str(pixels)), encoding="utf-8")
        for title in only or METHODS:
            step = _calibrate(folder, pixels, rows, *METHODS[title])
            ended.add(step.state)
            worst = max(worst, step.peak_bytes or 0) if step.state == "ok" else worst
            print(f"{title:25} {rows} rows of {pixels} pixels: {_told(step)}", flush=True)
    return 0 if worst < LIMIT_BYTES and ended <= {"ok", "unsupported"} else 1


def _calibrate(folder: Path, pixels: int, rows: int, target: str, method: str, options: dict[str, str]) -> StepReport:
    from optimize.execution.run import run

    inputs = {"x": {"dtype": "float32", "shape": ["batch", 3, pixels, pixels]}}
    pipeline = {
        "name": "resnet-50",
        "source": {
            "kind": "pytorch", "factory": "model.py:Logits", "weights": "weights.safetensors", "inputs": inputs,
        },
        "data": {"calibration": {"generator": "rows.py:rows", "rows": rows}, "evaluation": "evaluation.npz"},
        "candidates": {"formats": [target], "quantization": [method], "options": {f"{target}-{method}": options}},
        "limits": {"time_s": 7200},
    }  # fmt: skip
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    report = run(path, until="quantize").report
    (step,) = [step for step in report.steps if step.stage == "quantize"]
    return step


def _told(step: StepReport) -> str:
    if step.state != "ok" or step.peak_bytes is None or step.seconds is None:
        return f"{step.state}: {step.reason}"
    return f"peak {step.peak_bytes / 1e6:.0f} MB, {step.seconds:.0f} s"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--only", nargs="+", choices=METHODS, default=(), metavar="METHOD", help="; ".join(METHODS))
    arguments = parser.parse_args()
    sys.exit(main(arguments.rows, arguments.pixels, arguments.only))
