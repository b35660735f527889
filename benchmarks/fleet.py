"""Worker processes that take requests at any time, behind one wait."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

from optimize.benchmarks.subjects import ANSWER_TIMEOUT_S, SubjectFailed, WorkerSubject


class ProcessFleet:
    """Over workers that are started and warmed up. A request is one call, or one of a batch after `batch`."""

    def __init__(self, start: Callable[[int], WorkerSubject], workers: int) -> None:
        self.workers = workers
        self._subjects: list[WorkerSubject] = []
        self._workers: dict[int, int] = {}
        try:
            for index in range(workers):
                self._subjects.append(start(index))
                self._workers[self._subjects[-1].answers] = index
                self._subjects[-1].ask("warmup")
        except SubjectFailed:
            self.quit()
            raise

    def batch(self, rows: int) -> None:
        """From now on a request has this many rows."""
        for subject in self._subjects:
            subject.ask(f"batch {rows}")
            subject.ask("warmup")

    def now(self) -> float:
        return time.perf_counter()

    def submit(self, worker: int) -> None:
        self._subjects[worker].send("slice 1")

    def wait(self, until: float) -> Sequence[int]:
        # `poll` counts in milliseconds, which is too coarse for arrivals.
        timeout = min(ANSWER_TIMEOUT_S, max(0.0, until - self.now()))
        ready, _, _ = select.select(self._workers, [], [], timeout)
        if not ready and timeout == ANSWER_TIMEOUT_S:
            raise SubjectFailed(f"no answer within {ANSWER_TIMEOUT_S:g} s")
        done = [self._workers[descriptor] for descriptor in ready]
        for worker in done:
            self._subjects[worker].receive()
        return done

    def quit(self) -> None:
        for subject in self._subjects:
            subject.quit()
