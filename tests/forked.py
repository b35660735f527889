"""Workers that are forked off processes which have imported the libraries.

Models of tests are tiny: nearly all of the time of a step went into starting Python and importing torch or
TensorFlow. What a step does is not touched, and each still has a process of its own; only its limits are not enforced.
The matrix, its test and `python -m tests.matrix.running` use these workers.

`python -m tests.forked FAMILY` is such a process: a line of JSON in, `null` or the child's end out.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from optimize.execution.process import Outcome, StepLimits, Workers, _outcome, clean_environment

ROOT = Path(__file__).parents[1]
IMPORTS = {
    "torch": ("torch", "torch.export", "torch.onnx", "onnxscript", "onnx", "onnxruntime", "safetensors.torch"),
    "tensorflow": ("tensorflow", "keras", "onnx"),
    "light": ("onnx", "onnxruntime", "sklearn"),
}
"""Family to what its processes import beforehand: nothing that a step of the family would not import itself."""


class Parent:
    """A process that has imported a family's libraries, and forks."""

    def __init__(self, family: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", family], cwd=ROOT, env=clean_environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, job: dict[str, Any]) -> tuple[int, int]:
        """The exit status of the child that carried the job out, as `os.wait4` gives it, and its peak of bytes."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        status, peak = json.loads(self._process.stdout.readline())
        return status, peak

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


class ForkedWorkers(Workers):
    """Stands for `optimize.execution.process.Workers`."""

    def __init__(self) -> None:
        super().__init__()
        self._idle: dict[str, list[Parent]] = {}
        self._idle_lock = threading.Lock()

    def run(self, folder: Path, limits: StepLimits) -> Outcome:
        started = time.monotonic()
        request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
        status, peak = self._ask(_family(request["module"]), {"folder": str(folder)})
        return _outcome(folder, status, None, limits, time.monotonic() - started, peak)

    def call(self, family: str, function: str, folder: Path, arguments: dict[str, Any]) -> None:
        """`module:function(folder, **arguments)`, whose result is left in `folder`/returned.json."""
        job = {"folder": str(folder), "function": function, "arguments": arguments}
        status, _ = self._ask(family, job)
        assert status == 0, (folder / "log.txt").read_text(encoding="utf-8")

    def _ask(self, family: str, job: dict[str, Any]) -> tuple[int, int]:
        with self._idle_lock:
            idle = self._idle.setdefault(family, [])
            parent = idle.pop() if idle else Parent(family)
        answer = parent.ask(job)
        with self._idle_lock:
            self._idle[family].append(parent)
        return answer

    def close(self) -> None:
        for parent in [parent for parents in self._idle.values() for parent in parents]:
            parent.close()
        self._idle.clear()


def _family(module: str) -> str:
    libraries = importlib.import_module(module).libraries
    return next((family for family in ("torch", "tensorflow") if {family, f"{family}-cpu"} & set(libraries)), "light")


def _main(family: str) -> None:
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # As every step that loads TensorFlow sets it.
    for name in IMPORTS[family]:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _carry_out(json.loads(line))
        _, status, usage = os.wait4(child, 0)
        print(json.dumps([status, usage.ru_maxrss * 1024]), flush=True)


def _carry_out(job: dict[str, Any]) -> None:
    """In the child, which it ends."""
    folder = Path(job["folder"])
    os.chdir(folder)
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
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
