"""A runtime for the study of the measurement alone: ONNX Runtime, each call followed by a wait that is a given share of
it (`options: {slower: 0.05}` of the artifact). The wait burns the processor, as a slower kernel would."""

from __future__ import annotations

import time
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.runtimes import onnx
from optimize.stages import RuntimeSettings

reads, libraries = onnx.reads, onnx.libraries
prepare, read = onnx.prepare, onnx.read


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> SlowedSession:
    return SlowedSession(onnx.open(loaded, model, settings), float(model.options["slower"]))


class SlowedSession:
    def __init__(self, session: onnx.OnnxSession, slower: float) -> None:
        self._run = session.run
        self._slower = slower
        self.threads = session.threads

    def run(self, inputs: Arrays) -> Arrays:
        started = time.perf_counter_ns()
        outputs = self._run(inputs)
        now = time.perf_counter_ns()
        until = now + (now - started) * self._slower
        while time.perf_counter_ns() < until:
            pass
        return outputs
