"""What calibrating ResNet-50 takes of memory, by every calibration of ONNX Runtime's static int8 and by SmoothQuant.

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

import yaml

LIMIT_BYTES = 1.5e9
METHODS = {
    "static, minmax": ("static", {"calibration": "minmax"}),
    "static, moving average": ("static", {"calibration": "moving_average"}),
    "static, percentile": ("static", {"calibration": "percentile"}),
    "static, entropy": ("static", {"calibration": "entropy"}),
    "smoothquant, minmax": ("smoothquant", {"calibration": "minmax"}),
}
EXPORT = """
import sys, numpy as np, torch
from transformers import ResNetConfig, ResNetForImageClassification
torch.manual_seed(0)
pixels = int(sys.argv[1])
class Logits(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = ResNetForImageClassification(ResNetConfig(num_labels=1000)).eval()
    def forward(self, x):
        return self.model(pixel_values=x).logits
torch.onnx.export(Logits(), (torch.randn(2, 3, pixels, pixels),), "model.onnx", input_names=["x"], output_names=["y"],
                  dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}}, dynamo=False)
x = np.random.default_rng(1).standard_normal((8, 3, pixels, pixels), np.float32)
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
    worst = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-c", EXPORT, str(pixels)], cwd=folder, check=True, capture_output=True)
        (folder / "rows.py").write_text(ROWS.replace("PIXELS", str(pixels)), encoding="utf-8")
        for title in only or METHODS:
            method, options = METHODS[title]
            peak, seconds = _calibrate(folder, method, options, rows)
            worst = max(worst, peak)
            print(f"{title:24} {rows} rows of {pixels} pixels: peak {peak / 1e6:.0f} MB, {seconds:.0f} s", flush=True)
    return 0 if worst < LIMIT_BYTES else 1


def _calibrate(folder: Path, method: str, options: dict[str, str], rows: int) -> tuple[int, float]:
    from optimize.execution.run import run

    pipeline = {
        "name": "resnet-50", "source": {"kind": "onnx", "file": "model.onnx"},
        "data": {"calibration": {"generator": "rows.py:rows", "rows": rows}, "evaluation": "evaluation.npz"},
        "candidates": {"formats": ["onnx"], "quantization": [method], "options": {f"onnx-{method}": options}},
        "limits": {"time_s": 7200},
    }  # fmt: skip
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    report = run(path, until="quantize").report
    (step,) = [step for step in report.steps if step.stage == "quantize"]
    if step.state != "ok" or step.peak_bytes is None or step.seconds is None:
        raise RuntimeError(f"{step.name} ended {step.state}: {step.reason}")
    return step.peak_bytes, step.seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--only", nargs="+", choices=METHODS, default=(), metavar="METHOD", help="; ".join(METHODS))
    arguments = parser.parse_args()
    sys.exit(main(arguments.rows, arguments.pixels, arguments.only))
