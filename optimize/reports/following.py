"""Logs of steps, passed on as they grow: for `--verbose`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from optimize.printing import printable

POLL_S = 0.2
LONGEST = 400
"""Characters of a line; the log itself, which is named, has all."""
Emit = Callable[[str, list[str]], None]
"""Called with the step's title and whole lines."""


@dataclass
class _Log:
    path: Path
    read: int = 0


class Follower:
    """Reads the logs of the steps that run, several times a second, in a thread of its own."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._logs: dict[str, _Log] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, title: str, path: Path) -> None:
        with self._lock:
            self._logs[title] = _Log(path)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def finish(self, title: str, path: Path | None) -> None:
        """The rest of the log, which now stands at `path`; all of it where it was not followed."""
        with self._lock:
            log = self._logs.pop(title, None) or _Log(Path())
        if path is not None:
            log.path = path
            self._pass_on(title, log, whole=True)

    def close(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            with self._lock:
                for title, log in self._logs.items():
                    self._pass_on(title, log, whole=False)

    def _pass_on(self, title: str, log: _Log, whole: bool) -> None:
        try:
            with log.path.open("rb") as file:
                file.seek(log.read)
                data = file.read()
        except OSError:
            return  # Not written yet, or just being moved to its place: `finish` reads the rest.
        if not whole:
            data = data[: data.rfind(b"\n") + 1]
        log.read += len(data)
        lines = [clean(line) for line in data.decode("utf-8", errors="replace").split("\n")]
        lines = [line for line in lines if line]
        if lines:
            self._emit(title, lines)


def clean(line: str) -> str:
    """What a terminal would show of it: after the last return to its beginning, without escapes."""
    shown = printable(line.rstrip("\r").rpartition("\r")[2]).rstrip()
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
