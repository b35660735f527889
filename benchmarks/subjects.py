"""Worker processes held open, seen from the controller."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol, cast

from optimize.execution.process import clean_environment

START_TIMEOUT_S = 300.0
ANSWER_TIMEOUT_S = 120.0
READ_BYTES = 8192
"""At a time. A buffer of a megabyte would take as long to make as the rest of the handshake."""


class SubjectFailed(Exception):
    """The worker died or does not answer; the text says how."""


class Subject(Protocol):
    """A loaded candidate. The scripted one in the tests satisfies this too."""

    opened: Mapping[str, Any]

    def ask(self, command: str) -> dict[str, Any]: ...

    def quit(self) -> None: ...


class WorkerSubject:
    """A worker process behind a pair of pipes. While it works, the controller sleeps in `poll`."""

    def __init__(
        self, request: Mapping[str, Any], folder: Path, name: str, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(request), encoding="utf-8")
        self._log = folder / f"{name}.log"
        module = "optimize.benchmarks.worker"
        with self._log.open("ab") as log:
            # perf_counter is the system's monotonic clock: both processes read the same one.
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(path), str(time.perf_counter_ns())],
                env=clean_environment(**(environment or {})),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, start_new_session=False,
            )  # fmt: skip
        self._commands = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)
        self._buffer = b""
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        self.opened: Mapping[str, Any] = self._answer(START_TIMEOUT_S)

    def ask(self, command: str) -> dict[str, Any]:
        self.send(command)
        return self.receive()

    @property
    def answers(self) -> int:
        """The descriptor that can be read once an answer has come."""
        return self._answers.fileno()

    def send(self, command: str) -> None:
        try:
            os.write(self._commands.fileno(), command.encode() + b"\n")
        except BrokenPipeError as error:
            raise self._failure() from error

    def receive(self) -> dict[str, Any]:
        return self._answer(ANSWER_TIMEOUT_S)

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._process.kill()
                raise SubjectFailed(f"no answer within {timeout_s:g} s")
            chunk = os.read(self._answers.fileno(), READ_BYTES)
            if not chunk:
                raise self._failure()
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return _parsed(line)

    def _failure(self) -> SubjectFailed:
        status = self._process.wait()
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        how = f"killed by signal {-status}" if status < 0 else f"exited with status {status}"
        return SubjectFailed(f"{how}: {lines[-1][:200]}" if lines else how)

    def quit(self) -> None:
        """At once: it has given all its answers, and some libraries take half a second to take themselves down."""
        self._process.kill()
        self._process.wait()


def _parsed(line: bytes) -> dict[str, Any]:
    """An answer as the worker writes it: JSON, or the integers of a slice."""
    if line[:1] == b"{":
        answer: dict[str, Any] = json.loads(line)
        return answer
    cpu_ns, at_ns, *taken = map(int, line.split())
    return {"ns": taken, "cpu_ns": cpu_ns, "at_ns": at_ns}
