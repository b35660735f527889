"""Workers that are forked off processes which have imported the libraries.

Models of tests are tiny: nearly all of the time of a step went into starting Python and importing torch or TensorFlow.
What a step does is not touched, and each still has a process of its own; only its limits are not enforced. The matrix,
its test and `python -m tests.matrix.running` use these workers.

`python -m tests.forked FAMILY` is such a process: jobs in, a line of JSON each, and as they end their status out.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import subprocess
import sys
import threading
import time
import traceback
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from optimize.execution.process import Outcome, StepLimits, Workers, _outcome, clean_environment
from optimize.sources import huggingface
from optimize.sources.keras_files import import_keras

ROOT = Path(__file__).parents[1]
STEPS = ("pydantic", "optimize.execution.worker", "optimize.execution.steps")
EXPORT = ("torch", "torch.export", "torch._dynamo", "torch._inductor.compile_fx", "torch._export.serde.serialize")
IMPORTS = {
    "torch": (
        *STEPS, *EXPORT, "torch.onnx", "onnxscript", "onnx", "onnxruntime", "safetensors.torch", "keras", "transformers",
        *(f"transformers.models.{name}.modeling_{name}" for name in ("bert", "gpt2", "resnet", "vit")),
        "optimum.exporters.onnx.model_configs",
    ),
    "compiler": (*STEPS, *EXPORT),
    "tensorflow": (*STEPS, "tensorflow", "keras", "onnx", "tf2onnx", "ai_edge_litert.interpreter"),
    "light": (*STEPS, "onnx", "onnxruntime", "openvino", "sklearn", "sklearn.ensemble", "skl2onnx", "onnxmltools"),
}  # fmt: skip
"""Family to what its process imports beforehand: nothing that no step of the family would import itself."""

Ended = tuple[int, int]
"""The exit status of a child as `os.wait4` gives it, and its peak of bytes."""


class Parent:
    """A process that has imported a family's libraries, and forks as often as it is asked."""

    def __init__(self, family: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", family], cwd=ROOT, env=clean_environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._numbers = count()
        self._waiting: dict[int, SimpleQueue[Ended]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, job: dict[str, Any]) -> Ended:
        """Blocks until a child has carried the job out."""
        ended: SimpleQueue[Ended] = SimpleQueue()
        assert self._process.stdin
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = ended
            self._process.stdin.write(json.dumps({**job, "number": number}) + "\n")
            self._process.stdin.flush()
        return ended.get(timeout=600)

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, status, peak = json.loads(line)
            self._waiting.pop(number).put((status, peak))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


class ForkedWorkers(Workers):
    """Stands for `optimize.execution.process.Workers`."""

    def __init__(self) -> None:
        super().__init__()
        self._parents: dict[str, Parent] = {}
        self._parents_lock = threading.Lock()

    def run(self, folder: Path, limits: StepLimits) -> Outcome:
        started = time.monotonic()
        request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
        status, peak = self._parent(_family(request["module"])).ask({"folder": str(folder)})
        return _outcome(folder, status, None, limits, time.monotonic() - started, peak)

    def call(self, family: str, function: str, folder: Path, arguments: dict[str, Any]) -> None:
        """`module:function(folder, **arguments)`, whose result is left in `folder`/returned.json."""
        job = {"folder": str(folder), "function": function, "arguments": arguments}
        status, _ = self._parent(family).ask(job)
        assert status == 0, (folder / "log.txt").read_text(encoding="utf-8")

    def _parent(self, family: str) -> Parent:
        with self._parents_lock:
            if family not in self._parents:
                self._parents[family] = Parent(family)
            return self._parents[family]

    def close(self) -> None:
        for parent in self._parents.values():
            parent.close()


def _family(module: str) -> str:
    if module.endswith("to_aotinductor"):
        return "compiler"
    libraries = importlib.import_module(module).libraries
    return next((family for family in ("torch", "tensorflow") if {family, f"{family}-cpu"} & set(libraries)), "light")


def _import(family: str) -> None:
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # As every step that loads TensorFlow sets it.
    if family == "torch":
        import_keras("torch")
        huggingface.prepare_environment()
    for name in IMPORTS[family]:
        importlib.import_module(name)
    if family == "compiler":
        from torch._inductor.cpu_vec_isa import pick_vec_isa

        pick_vec_isa()  # It compiles half a dozen programs to find out, once per process.


def _main(family: str) -> None:
    _import(family)
    children: dict[int, int] = {}
    pending = b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.02 if children else None)
        if ready:
            read = os.read(0, 1 << 16)
            if not read:
                return
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                job = json.loads(line)
                child = os.fork()
                if child == 0:
                    _carry_out(job)
                children[child] = job["number"]
        _tell_ended(children)


def _tell_ended(children: dict[int, int]) -> None:
    while children:
        child, status, usage = os.wait4(-1, os.WNOHANG)
        if not child:
            return
        print(json.dumps([children.pop(child), status, usage.ru_maxrss * 1024]), flush=True)


def _carry_out(job: dict[str, Any]) -> None:
    """In the child, which it ends."""
    folder = Path(job["folder"])
    os.chdir(folder)
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(file, stream)
    try:
        code = _worker(folder) if "function" not in job else _call(folder, job)
    except BaseException:  # noqa: BLE001 - the child must end here, whatever the matter is
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _worker(folder: Path) -> int:
    from optimize.execution.worker import main

    return main([str(folder)])


def _call(folder: Path, job: dict[str, Any]) -> int:
    module, _, function = job["function"].partition(":")
    returned = getattr(importlib.import_module(module), function)(folder, **job["arguments"])
    (folder / "returned.json").write_text(json.dumps(returned), encoding="utf-8")
    return 0


if __name__ == "__main__":
    _main(sys.argv[1])
