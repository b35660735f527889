"""One worker process: started, watched, and its end turned into a state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from optimize.store import State

KEPT_VARIABLES = (
    "PATH", "HOME", "USER", "LANG", "TMPDIR", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT", "SSL_CERT_FILE",
    "OPTIMIZE_CACHE",
)  # fmt: skip
KEPT_PREFIXES = ("LC_", "PYTHON", "OPENBLAS_", "COVERAGE")
"""OPENBLAS_CORETYPE is set where an older OpenBLAS picks a wrong kernel; without it results would be wrong."""


@dataclass(frozen=True)
class StepLimits:
    time_s: float
    memory_bytes: int
    poll_s: float = 0.05
    """How often the limits are looked at; seldom while time is being measured."""
    whose_memory: str = "limits.memory_mb"


@dataclass(frozen=True)
class Outcome:
    """How a worker ended. `result` is what it wrote, or empty."""

    state: State
    reason: str
    seconds: float
    peak_bytes: int
    result: Mapping[str, Any]


def clean_environment(**extra: str) -> dict[str, str]:
    """Only what a process needs to start: settings of thread counts and instruction sets come from the pipeline."""
    kept = {k: v for k, v in os.environ.items() if k in KEPT_VARIABLES or k.startswith(KEPT_PREFIXES)}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "0"}
    return kept | quiet | {"OPTIMIZE_PARENT": str(os.getpid())} | extra


class Workers:
    """Starts workers, and can stop all of them at once."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, folder: Path, limits: StepLimits) -> Outcome:
        """Carry out `folder`/request.json. Blocks until the worker has ended or was stopped for passing a limit."""
        started = time.monotonic()
        # Unbuffered, so that the log can be read while it grows.
        command = [sys.executable, "-u", "-m", "optimize.execution.worker", str(folder)]
        with (folder / "log.txt").open("wb") as log, self._lock:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(),
                start_new_session=True, cwd=folder,
            )  # fmt: skip
            self._running.add(process)
        watch = _Watch(process, limits)
        try:
            status, peak = watch.wait()
        finally:
            with self._lock:
                self._running.discard(process)
            kill_group(process.pid)
        seconds = time.monotonic() - started
        return _outcome(folder, status, watch.stopped_for, limits, seconds, peak)

    def stop_all(self) -> None:
        with self._lock:
            for process in self._running:
                kill_group(process.pid)


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


class _Watch:
    """Waits for one process, and stops it when it passes a limit."""

    def __init__(self, process: subprocess.Popen[bytes], limits: StepLimits) -> None:
        self._process = process
        self._limits = limits
        self.stopped_for: State | None = None

    def wait(self) -> tuple[int, int]:
        """Exit status as `os.wait4` gives it, and the kernel's peak of resident bytes."""
        deadline = time.monotonic() + self._limits.time_s
        while True:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                return status, usage.ru_maxrss * (1024 if sys.platform == "linux" else 1)
            if self.stopped_for is None:
                self._enforce(deadline)
            time.sleep(self._limits.poll_s)

    def _enforce(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            self.stopped_for = State.TIMED_OUT
        elif resident_bytes(self._process.pid) > self._limits.memory_bytes:
            self.stopped_for = State.OUT_OF_MEMORY
        if self.stopped_for:
            kill_group(self._process.pid)


def resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _outcome(
    folder: Path, status: int, stopped_for: State | None, limits: StepLimits, seconds: float, peak: int
) -> Outcome:
    if stopped_for is State.TIMED_OUT:
        return Outcome(stopped_for, f"still running after {limits.time_s:g} s (limits.time_s)", seconds, peak, {})
    if stopped_for is State.OUT_OF_MEMORY:
        reason = f"passed {limits.memory_bytes / 1e6:.0f} MB of memory ({limits.whose_memory})"
        return Outcome(stopped_for, reason, seconds, peak, {})
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Outcome(State.CRASHED, f"killed by {_signal_name(-code)}{_last_line(folder)}", seconds, peak, {})
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        reason = f"exited with status {code} and left no result{_last_line(folder)}"
        return Outcome(State.FAILED, reason, seconds, peak, {})
    return Outcome(State(result["state"]), result["reason"], seconds, result["peak_bytes"], result)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(folder: Path) -> str:
    lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"; its last words: {lines[-1].strip()[:200]}" if lines else ""
