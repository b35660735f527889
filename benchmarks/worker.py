"""The process a candidate is measured in: loads it, phase by phase, then runs slices of calls when asked.

`python -m optimize.benchmarks.worker REQUEST SPAWNED_NS`. Commands come as lines on standard input, answers leave as
lines on what was standard output; whatever a library prints goes to standard error. Answers are JSON, but for those to
`slice` and `visit`, which are integers: they are asked for thousands of times, and JSON would be half of the handshake.
Between commands it blocks in a read, and takes no processor time. `time` is imported first so that the interpreter's
own start can be told apart.
"""

from __future__ import annotations

import time

STARTED_NS = time.perf_counter_ns()
CURVE_CALLS = 50
"""The first calls that are kept one by one."""

import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from typing import Any  # noqa: E402


def main(request_path: str, spawned_ns: int) -> None:
    import json

    answers = os.dup(1)
    os.dup2(2, 1)
    request = json.loads(open(request_path, encoding="utf-8").read())  # noqa: PTH123, SIM115 - pathlib is slow to import
    if request["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, request["cpus"])
    if request["memory_bytes"]:
        _cap_memory(request["memory_bytes"])
    subject = _load(request, spawned_ns)
    os.write(answers, json.dumps(subject.opened).encode() + b"\n")
    for line in _lines():
        command, _, argument = line.decode().partition(" ")
        if command in ("slice", "visit"):
            found = subject.slice(int(argument)) if command == "slice" else subject.visit(int(argument))
            text = " ".join(map(str, (found["cpu_ns"], found["at_ns"], *found["ns"])))
        else:
            text = json.dumps(subject.answer(command, argument))
        os.write(answers, text.encode() + b"\n")


def _cap_memory(count: int) -> None:
    """Of data, and not of address space: libraries reserve far more of that than they use."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (count, hard))


def _lines() -> Iterator[bytes]:
    """Of standard input, unbuffered: Python's own reader takes three times as long."""
    pending = b""
    while chunk := os.read(0, 4096):
        *lines, pending = (pending + chunk).split(b"\n")
        yield from lines


def _load(request: dict[str, Any], spawned_ns: int) -> _Subject:
    """Import, read, open and first call, each timed. The phases add up to the time since the process was spawned."""
    phases = _Phases(spawned_ns)
    import importlib

    import numpy  # noqa: F401 - every runtime needs it

    from optimize.execution.request import ArtifactReference
    from optimize.stages import RuntimeSettings

    runtime = importlib.import_module(request["module"])
    settings = RuntimeSettings.told(request["settings"], request["threads"])
    artifact = ArtifactReference(**request["artifact"]).open()
    runtime.prepare(settings)
    phases.end()
    loaded = runtime.read(artifact)
    phases.end()
    session = runtime.open(loaded, artifact, settings)
    phases.end()
    inputs = _inputs(request["rotation"])
    phases.begin()  # Reading the samples is the experiment's own doing, and no part of a cold start.
    session.run(inputs[0])
    phases.end()
    return _Subject(session, inputs, phases, artifact.signature.batched())


class _Phases:
    """Time of each phase, and the kernel's peak of memory at its end; looking that up is no part of the next one."""

    def __init__(self, spawned_ns: int) -> None:
        self.taken_ns = [STARTED_NS - spawned_ns]
        self.peaks: list[int] = []
        self._since = STARTED_NS

    def begin(self) -> None:
        self._since = time.perf_counter_ns()

    def end(self) -> None:
        self.taken_ns.append(time.perf_counter_ns() - self._since)
        self.peaks.append(peak_bytes())
        self.begin()


def _inputs(path: str) -> list[dict[str, Any]]:
    from pathlib import Path

    from optimize.arrays import load_arrays

    stacked = load_arrays(Path(path))
    count = len(next(iter(stacked.values())))
    return [{name: array[i] for name, array in stacked.items()} for i in range(count)]


class _Subject:
    """A loaded candidate that takes commands."""

    def __init__(
        self, session: Any, inputs: list[dict[str, Any]], phases: _Phases, batched: Sequence[str] = ()
    ) -> None:
        self._session = session
        self._single = self._inputs = inputs
        self._batched = batched
        self._next = 0
        self._reference = session.run(inputs[0])
        self.opened = {
            "phases_ns": phases.taken_ns, "phases_bytes": phases.peaks, "threads": session.threads,
            "peak_bytes": peak_bytes(), "switches": _switches(),
        }  # fmt: skip

    def answer(self, command: str, argument: str) -> dict[str, Any]:
        if command == "warmup":
            return self._warm_up()
        if command == "batch":
            self._inputs = self._of_rows(int(argument))
            return {"rows": int(argument)}
        if command == "close":
            return {
                "peak_bytes": peak_bytes(), "shared_bytes": status_bytes("RssFile"),
                "same_answers": self._same_answers(), "switches": _switches(),
            }  # fmt: skip
        raise ValueError(f"no such command: {command}")

    def visit(self, calls: int) -> dict[str, Any]:
        """A slice after one call that is not timed: it finds the processor's caches as the process before has left
        them. Without it, a candidate that is visited twice in a round seems to be 1 to 3 % faster than itself."""
        self._session.run(self._inputs[self._next])
        self._next = (self._next + 1) % len(self._inputs)
        return self.slice(calls)

    def slice(self, calls: int) -> dict[str, Any]:
        """`calls` calls in turn over the samples: nanoseconds of each, and processor time of all."""
        run, inputs, clock = self._session.run, self._inputs, time.perf_counter_ns
        at = self._next
        taken = [0] * calls
        started, cpu = clock(), time.process_time_ns()
        for i in range(calls):
            feed = inputs[(at + i) % len(inputs)]
            before = clock()
            run(feed)
            taken[i] = clock() - before
        cpu = time.process_time_ns() - cpu
        self._next = (at + calls) % len(inputs)
        return {"ns": taken, "cpu_ns": cpu, "at_ns": started}

    def _of_rows(self, rows: int) -> list[dict[str, Any]]:
        """As many calls of `rows` rows each, made of the single ones; inputs without a batch stay as they are."""
        import numpy as np

        count = len(self._single)
        calls = []
        for at in range(count):
            taken = [self._single[(at + i) % count] for i in range(rows)]
            stacked = {name: np.concatenate([call[name] for call in taken]) for name in self._batched}
            calls.append({**self._single[at], **stacked})
        return calls

    def _warm_up(self) -> dict[str, Any]:
        """Windows of calls for at least 0.2 s, until two in a row have medians within 2 %; the trace is kept.

        It ends after 5 s or 50 calls all the same: on a noisy machine windows may never agree.
        """
        medians: list[int] = []
        calls, started = 3, time.perf_counter_ns()
        first = self.slice(calls)["ns"]
        done = len(first)
        while True:
            window = self.slice(calls)["ns"]
            first += window[: CURVE_CALLS - len(first)]
            medians.append(sorted(window)[len(window) // 2])
            elapsed = time.perf_counter_ns() - started
            # Windows of a twentieth of a second, so that a short call is not judged by three of them.
            calls = max(3, min(2000, int(5e7 / max(medians[-1], 1))))
            settled = len(medians) > 1 and abs(medians[-1] - medians[-2]) <= 0.02 * medians[-2]
            done += len(window)
            if (elapsed >= 2e8 and (settled or done >= 50)) or elapsed >= 5e9:
                return {"first_ns": first, "medians_ns": medians, "settled": settled}

    def _same_answers(self) -> bool:
        """Whether the first sample still gives what it gave before anything was timed."""
        import numpy as np

        now = self._session.run(self._single[0])
        return all(
            np.array_equal(now[k], v) if v.dtype.kind == "U" else np.allclose(now[k], v, 1e-3, 1e-5, equal_nan=True)
            for k, v in self._reference.items()
        )


def peak_bytes() -> int:
    """The kernel's peak of resident memory (VmHWM)."""
    peak = status_bytes("VmHWM")
    if peak is not None:
        return peak
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def status_bytes(key: str) -> int | None:
    """A line of /proc/self/status; None where there is none."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{key}:"))
    except (OSError, StopIteration):
        return None


def _switches() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
