"""What conversions cost: `python benchmarks/studies/conversions.py [memory] [time] [speed] [onnx]`, all four if none.

memory  peak of every step over the model's bytes: a PyTorch module of 1 GB, its weights in safetensors
time    of the steps of a ResNet-50 over the bare library call, in pairs of processes, one after the other
speed   a SavedModel made by the interpreter over Keras's own export of the same architecture, called in turn
onnx    peak of taking in an ONNX file of 2.2 GB over its size

Peaks and seconds of steps are those that the store has recorded. What this writes, up to 8 GB, it removes again.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from optimize.execution.events import StepResult
from optimize.execution.run import run

GIGABYTE = 1e9
MODULES = """
from torch import nn

def large():
    hidden = [layer for _ in range(15) for layer in (nn.Linear(4096, 4096), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(4096, 8))

def resnet50():
    from transformers import ResNetConfig, ResNetForImageClassification
    model = ResNetForImageClassification(ResNetConfig())
    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model
        def forward(self, pixels):
            return self.model(pixels).logits
    return Logits()
"""
BUILD = """
import sys, torch
from safetensors.torch import save_file
import model
torch.manual_seed(0)
save_file(dict(getattr(model, sys.argv[1])().state_dict()), "weights.safetensors")
"""
LOAD = """
import model, torch
from safetensors.torch import load_file
module = model.resnet50().eval()
module.load_state_dict(load_file("weights.safetensors"))
pixels = torch.randn(2, 3, 224, 224)
free = ({0: torch.export.Dim("batch")},)
"""
BARE = {
    "torchscript": LOAD + "torch.jit.freeze(torch.jit.trace(module, pixels)).save('bare.pt')",
    "onnx": LOAD
    + "torch.onnx.export(module, (pixels,), 'bare.onnx', dynamo=True, opset_version=20, dynamic_shapes=free, "
    "external_data=False)",
    "exported_program": LOAD
    + "torch.export.save(torch.export.export(module, (pixels,), dynamic_shapes=free), 'bare.pt2')",
    "openvino": "import openvino\n"
    "openvino.save_model(openvino.convert_model('{onnx}/model.onnx'), 'bare.xml', compress_to_fp16=False)",
    "litert": "import tensorflow\n"
    "made = tensorflow.lite.TFLiteConverter.from_saved_model('{saved_model}').convert()\n"
    "open('bare.tflite', 'wb').write(made)",
}
"""Format to what a process of its own makes it with, from the source or from another step's files."""
PAIRS = 3
KERAS = """
import sys, keras, numpy as np
keras.utils.set_random_seed(0)
model = getattr(keras.applications, sys.argv[1])(weights=None, classifier_activation=None)
model.export("keras", verbose=False)
"""
LATENCY = """
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


def python(folder: Path, code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return done.stdout


def pytorch(folder: Path, factory: str, inputs: dict[str, Any], formats: list[str]) -> dict[str, Any]:
    """Records of the steps by name."""
    return {step.step.title: step.record for step in pytorch_steps(folder, factory, inputs, formats)}


def pytorch_steps(folder: Path, factory: str, inputs: dict[str, Any], formats: list[str]) -> list[StepResult]:
    (folder / "model.py").write_text(MODULES, encoding="utf-8")
    python(folder, BUILD, factory)
    source = {"kind": "pytorch", "factory": f"model.py:{factory}", "weights": "weights.safetensors", "inputs": inputs}
    return carry_out(folder, source, formats)


def carry_out(folder: Path, source: dict[str, Any], formats: list[str], **sections: Any) -> list[StepResult]:
    pipeline = {"name": "study", "source": source, "candidates": {"formats": formats, "quantization": ["none"]}}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline | sections), encoding="utf-8")
    result = run(folder / "pipeline.yaml", until="convert")
    for step in result.steps:
        if step.state != "ok":
            print(f"  {step.step.title}: {step.state}: {step.reason}")
    return [step for step in result.steps if step.entry]


def memory(folder: Path) -> None:
    inputs = {"x": {"dtype": "float32", "shape": ["batch", 4096]}}
    found = pytorch(folder, "large", inputs, ["torchscript", "onnx", "saved_model", "exported_program"])
    size = (folder / "weights.safetensors").stat().st_size
    print(f"PyTorch module of {size / GIGABYTE:.2f} GB:")
    for title, record in found.items():
        peak = record["peak_bytes"]
        print(
            f"  {title}: peak {peak / GIGABYTE:.2f} GB, {peak / size:.2f} times the weights, {record['seconds']:.0f} s"
        )


def durations(folder: Path) -> None:
    """In pairs, one after the other: the step's own worker, and a process that makes the bare call."""
    inputs = {"pixels": {"dtype": "float32", "shape": ["batch", 3, 224, 224]}}
    steps = {step.step.title: step for step in pytorch_steps(folder, "resnet50", inputs, [*BARE, "saved_model"])}
    print("ResNet-50, seconds of a step's process and of one that makes the bare call, medians of pairs:")
    for name, code in BARE.items():
        step = steps[f"convert {name}"]
        places = {made: str(steps[f"convert {made}"].made.files) for made in ("onnx", "saved_model")}
        call = [sys.executable, "-W", "ignore", "-c", reduce(_put, places.items(), code)]
        pairs = [(_again(folder, step, index), _seconds(folder, call)) for index in range(PAIRS)]
        ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
        over = statistics.median(one - other for one, other in pairs)
        print(f"  {name}: {ours:.1f} and {bare:.1f}, {over:+.1f} s ({over / bare:+.0%}), {pairs}", flush=True)


def _put(code: str, place: tuple[str, str]) -> str:
    return code.replace(f"{{{place[0]}}}", place[1])


def _again(folder: Path, step: StepResult, index: int) -> float:
    """Carried out again, elsewhere."""
    worker = [sys.executable, "-m", "optimize.execution.worker", str(step.made.path)]
    return _seconds(folder, [*worker, str(folder / "again" / f"{step.step.makes[0]}-{index}")])


def _seconds(folder: Path, command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return time.perf_counter() - started


def speed(folder: Path) -> None:
    inputs = {"pixels": {"dtype": "float32", "shape": ["batch", 3, 224, 224]}}
    pytorch(folder, "resnet50", inputs, ["saved_model"])
    (made,) = (folder / ".optimize" / "store").rglob("saved_model.pb")
    python(folder, KERAS, "ResNet50")
    middle, low, high = map(float, python(folder, LATENCY, str(made.parent), str(folder / "keras")).split())
    print(f"ResNet-50 as SavedModel, interpreter's over Keras's own: {middle:.2f} [{low:.2f}, {high:.2f}]")


def onnx(folder: Path) -> None:
    import numpy as np

    sys.path.insert(0, str(Path(__file__).parents[2]))  # The model is one of the tests'.
    from tests.sources.test_onnx import GIGABYTES, write_large_model

    write_large_model(folder / "model.onnx")
    np.savez(folder / "rows.npz", x=np.random.default_rng(1).standard_normal((4, 1024)).astype(np.float32))
    source = {"kind": "onnx", "file": "model.onnx"}
    for step in carry_out(folder, source, ["onnx"], data={"calibration": "rows.npz"}):
        peak = step.record["peak_bytes"]
        times = f"{peak / GIGABYTE:.2f} GB, {peak / GIGABYTES / GIGABYTE:.2f} times, {step.record['seconds']:.0f} s"
        print(f"ONNX of {GIGABYTES} GB, {step.step.title}: peak {times}")


PARTS = {"memory": memory, "time": durations, "speed": speed, "onnx": onnx}


def main(names: list[str]) -> None:
    for name in names or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
