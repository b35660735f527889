"""The process a candidate is measured in: loads it, phase by phase, then runs slices of calls when asked.

`python -m optimize.benchmarks.worker REQUEST SPAWNED_NS`. Commands come as lines on standard input, answers leave as
lines of JSON on what was standard output; whatever a library prints goes to standard error. Between commands it blocks
in a read, and takes no processor time. `time` is imported first so that the interpreter's own start can be told apart.
"""

from __future__ import annotations

import time

STARTED_NS = time.perf_counter_ns()

import os  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402


def main(request_path: str, spawned_ns: int) -> None:
    import json

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    request = json.loads(open(request_path, encoding="utf-8").read())  # noqa: PTH123, SIM115 - pathlib is slow to import
    if request["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, request["cpus"])
    subject = _load(request, spawned_ns)
    print(json.dumps(subject.opened), file=answers)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        print(json.dumps(subject.answer(command, argument)), file=answers)


def _load(request: dict[str, Any], spawned_ns: int) -> _Subject:
    """Import, read, open and first call, each timed. The phases add up to the time since the process was spawned."""
    marks = [spawned_ns, STARTED_NS]
    import importlib

    import numpy  # noqa: F401 - every runtime needs it

    from optimize.execution.request import ArtifactReference
    from optimize.stages import RuntimeSettings

    runtime = importlib.import_module(request["module"])
    settings = RuntimeSettings(request["threads"])
    artifact = ArtifactReference(**request["artifact"]).open()
    runtime.prepare(settings)
    marks.append(time.perf_counter_ns())
    loaded = runtime.read(artifact)
    marks.append(time.perf_counter_ns())
    session = runtime.open(loaded, artifact, settings)
    marks.append(time.perf_counter_ns())
    inputs = _inputs(request["rotation"])
    marks_before = time.perf_counter_ns()
    session.run(inputs[0])
    # Reading the samples is the experiment's own doing, and no part of a cold start.
    marks.append(marks[-1] + time.perf_counter_ns() - marks_before)
    return _Subject(session, inputs, [marks[i + 1] - marks[i] for i in range(len(marks) - 1)])


def _inputs(path: str) -> list[dict[str, Any]]:
    from pathlib import Path

    from optimize.arrays import load_arrays

    stacked = load_arrays(Path(path))
    count = len(next(iter(stacked.values())))
    return [{name: array[i] for name, array in stacked.items()} for i in range(count)]


class _Subject:
    """A loaded candidate that takes commands."""

    def __init__(self, session: Any, inputs: list[dict[str, Any]], phases_ns: list[int]) -> None:
        self._session = session
        self._inputs = inputs
        self._next = 0
        self._reference = session.run(inputs[0])
        self.opened = {"phases_ns": phases_ns, "threads": session.threads, "peak_bytes": peak_bytes()}

    def answer(self, command: str, argument: str) -> dict[str, Any]:
        if command == "slice":
            return self._slice(int(argument))
        if command == "warmup":
            return self._warm_up()
        if command == "close":
            return {"peak_bytes": peak_bytes(), "same_answers": self._same_answers(), "switches": _switches()}
        raise ValueError(f"no such command: {command}")

    def _slice(self, calls: int) -> dict[str, Any]:
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

    def _warm_up(self) -> dict[str, Any]:
        """Windows of calls for at least 0.2 s, until two in a row have medians within 2 %; the trace is kept.

        It ends after 5 s or 50 calls all the same: on a noisy machine windows may never agree.
        """
        medians: list[int] = []
        calls, started = 3, time.perf_counter_ns()
        first = self._slice(calls)["ns"]
        done = len(first)
        while True:
            window = sorted(self._slice(calls)["ns"])
            medians.append(window[len(window) // 2])
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

        now = self._session.run(self._inputs[0])
        return all(np.allclose(now[k], v, rtol=1e-3, atol=1e-5, equal_nan=True) for k, v in self._reference.items())


def peak_bytes() -> int:
    """The kernel's peak of resident memory (VmHWM)."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _switches() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
