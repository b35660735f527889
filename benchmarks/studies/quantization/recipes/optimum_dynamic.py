"""Optimum: `optimum-cli onnxruntime quantize --avx512_vnni`."""

import subprocess
import sys
from pathlib import Path

from common import Job, read_job


def main(job: Job) -> None:
    assert job.onnx is not None
    command = Path(sys.executable).with_name("optimum-cli")
    options = ["--onnx_model", job.onnx.parent, "--avx512_vnni", "-o", job.output]
    subprocess.run([command, "onnxruntime", "quantize", *options], check=True)
    (job.output / "model_quantized.onnx").rename(job.output / "model.onnx")


if __name__ == "__main__":
    main(read_job())
