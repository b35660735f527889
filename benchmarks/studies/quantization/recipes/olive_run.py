"""Olive: `olive run` on a configuration with its passes for ONNX Runtime on CPUs, `olive_run.py JOB dynamic|static`.

As in Olive's example for BERT: transformer optimization first where the model is one, then quantization per channel.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import Job, read_job

MODEL_TYPES = {"text-classification": "bert", "feature-extraction": "bert", "image-classification": "vit"}


def main(job: Job, how: str) -> None:
    made = job.output / "olive"
    config = {
        "input_model": {"type": "ONNXModel", "model_path": str(job.onnx)},
        "systems": {
            "local": {
                "type": "LocalSystem",
                "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
            }
        },
        "data_configs": [_data(job)],
        "passes": _passes(job, how),
        "host": "local",
        "target": "local",
        "output_dir": str(made),
        "cache_dir": str(job.output / "cache"),
    }
    (job.output / "olive.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    command = Path(sys.executable).with_name("olive")
    environment = {**os.environ, "OLIVE_DISABLE_TELEMETRY": "1"}
    subprocess.run([command, "run", "--config", job.output / "olive.json"], check=True, env=environment)
    for file in made.glob("**/*.onnx*"):
        file.rename(job.output / file.name)
    shutil.rmtree(job.output / "cache", ignore_errors=True)
    shutil.rmtree(made)


def _data(job: Job) -> dict[str, Any]:
    return {
        "name": "rows",
        "user_script": str(Path(__file__).with_name("olive_rows.py")),
        "load_dataset_config": {"type": "study_rows", "model": str(job.model), "inputs": list(job.inputs)},
        "dataloader_config": {"batch_size": 1},
    }


def _passes(job: Job, how: str) -> dict[str, Any]:
    passes: dict[str, Any] = {}
    if job.transformer:
        passes["optimization"] = {"type": "OrtTransformersOptimization", "model_type": MODEL_TYPES[job.task]}
    if how == "dynamic":
        passes["quantization"] = {"type": "OnnxDynamicQuantization", "per_channel": True}
    else:
        passes["quantization"] = {"type": "OnnxStaticQuantization", "data_config": "rows", "per_channel": True}
    return passes


if __name__ == "__main__":
    main(read_job(), sys.argv[2])
