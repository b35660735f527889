"""A SavedModel that the interpreter made of a PyTorch model, and Keras's own export of the same architecture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optimize.benchmarks.studies.conversions import models
from optimize.benchmarks.studies.conversions.running import carry_out, python

PAIRS = {"resnet50": "ResNet50", "mobilenet": "MobileNetV2"}
CALLS = """
import sys, time, statistics
import numpy as np
from pathlib import Path
from optimize.runtimes import saved_model
from optimize.stages import RuntimeSettings
saved_model.prepare(RuntimeSettings(threads=2))
from tensorflow.python.saved_model.load import load
from tensorflow.python.framework.constant_op import constant
models = [load(path) for path in sys.argv[1:3]]
functions = [model.signatures["serving_default"] for model in models]
shapes = [(1, 3, 224, 224), (1, 224, 224, 3)]
calls = []
for function, shape in zip(functions, shapes):
    ((name, _),) = function.structured_input_signature[1].items()
    calls.append((function, {name: constant(np.random.default_rng(0).standard_normal(shape).astype(np.float32))}))
def once(function, inputs):
    started = time.perf_counter()
    for output in function(**inputs).values():
        output.numpy()
    return time.perf_counter() - started
for call in calls * 5:
    once(*call)
ratios = sorted(once(*calls[0]) / once(*calls[1]) for _ in range(60))
print(ratios[30], ratios[21], ratios[38])
"""
"""Order statistics of 60 ratios: the median, and its 95 % interval."""


def study(folder: Path, only: Sequence[str], pairs: int) -> None:
    for ours, theirs in PAIRS.items():
        if not only or ours in only:
            _compare(folder / ours, ours, theirs)


def _compare(folder: Path, ours: str, theirs: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(models.MODULES, encoding="utf-8")
    python(folder, models.WEIGHTS, ours)
    source = {
        "kind": "pytorch", "factory": f"model.py:{ours}", "weights": "weights.safetensors",
        "inputs": {"pixels": {"dtype": "float32", "shape": ["batch", 3, 224, 224]}},
    }  # fmt: skip
    made = carry_out(folder, source, ("saved_model",))["convert saved_model"].made.files
    python(folder, models.APPLICATION + "model.export('keras', verbose=False)", theirs)
    middle, low, high = map(float, python(folder, CALLS, str(made), str(folder / "keras")).split())
    print(f"{theirs} as SavedModel, interpreter's over Keras's own: {middle:.2f} [{low:.2f}, {high:.2f}]", flush=True)
