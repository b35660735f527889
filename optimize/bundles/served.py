"""A bundle behind the HTTP of a real server, asked as a client of the endpoint would."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Arrays
from optimize.bundles.inspection import Unpacked
from optimize.bundles.messages import FORMS, JSON, PAST_HOOKS, accept_for, read_answer
from optimize.bundles.samples import Sample
from optimize.bundles.server import Answer, Server, serve, wait_for_answer, wait_for_ping
from optimize.bundles.toolkits import Toolkit
from optimize.drift import DriftMeter, judge
from optimize.errors import ToolError
from optimize.pipeline.schema import Tolerance

START_S = 120.0
LATENCY_REQUESTS = 100
MODEL = "model"
"""Its name on a multi-model server."""


class Served:
    """`optimize.stages.Service` over HTTP; what it asks is asked past the user's hooks, where the bundle has any."""

    def __init__(self, server: Server, how: str, bundle: Unpacked) -> None:
        self.how = how
        self.forms = bundle.forms
        self.server = server
        self._signature = bundle.signature
        self._parameter = f"; {PAST_HOOKS}" if bundle.hooks else ""

    def write(self, inputs: Arrays, form: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers."""
        accept = accept_for(form, self._signature)
        headers = {"Content-Type": FORMS[form].content_type + self._parameter, "Accept": accept}
        return FORMS[form].write(inputs, self._signature), headers

    def read(self, answer: Answer, form: str) -> Arrays:
        if answer.status != 200:
            text = answer.body[:300].decode(errors="replace").strip()
            raise ToolError(f"asked in {form}, the server answers HTTP {answer.status}: {text}")
        kind = answer.content_type if "/" in answer.content_type else accept_for(form, self._signature)
        return read_answer(answer.body, kind, self._signature)

    def ask(self, inputs: Arrays, form: str) -> Arrays:
        return self.read(self.server.post(*self.write(inputs, form)), form)

    def send(self, body: bytes, content_type: str, accept: str) -> Answer:
        """One request as it is. Raises ToolError for an answer that is not a 200."""
        answer = self.server.post(body, {"Content-Type": content_type, "Accept": accept})
        if answer.status != 200:
            raise ToolError(f"HTTP {answer.status}: {answer.body[:300].decode(errors='replace').strip()}")
        return answer


def model_folder(base: Path, multi_model: bool) -> Path:
    """Where the platform unpacks a tar, below the folder that stands for /opt/ml."""
    return base / "models" / MODEL / "model" if multi_model else base / "model"


@contextmanager
def open_served(toolkit: Toolkit, base: Path, bundle: Unpacked, multi_model: bool = False) -> Iterator[Served]:
    """Serve the bundle, unpacked into `model_folder`, with its toolkit until the block ends."""
    with serve(toolkit, base, multi_model) as server:
        how = f"served by {toolkit.title}"
        if not multi_model:
            yield Served(server, how, bundle)
            return
        wait_for_ping(server)
        load_model(server, MODEL, model_folder(base, multi_model))
        server.invocations = f"/models/{MODEL}/invoke"
        yield Served(server, f"{how}, loaded in multi-model mode", bundle)


def load_model(server: Server, name: str, folder: Path) -> None:
    """As the platform does on the first request for a model. Raises ToolError with what the server says."""
    body = json.dumps({"model_name": name, "url": str(folder)}).encode()
    answer = server.request("POST", "/models", body, {"Content-Type": JSON})
    if answer.status != 200:
        raise ToolError(f"the model does not load; HTTP {answer.status}: {answer.body[:300].decode(errors='replace')}")


def start_figures(service: Served, sample: Sample, tolerance: Tolerance) -> Mapping[str, Any]:
    """`cold_start_s`: from the start of the server's first process to its first right answer.

    Where the source's answer is known, right is within the tolerance; a 200 with a wrong answer gives None and why.
    """
    form = service.forms[0]
    answer = wait_for_answer(service.server, *service.write(sample.inputs, form), START_S)
    seconds = time.monotonic() - service.server.started
    meter = DriftMeter()
    if sample.expected is not None:
        meter.add(sample.expected, service.read(answer, form), "the first answer")
    wrong = judge(meter.figures(), meter.problems, tolerance)
    return {"cold_start_s": None if wrong else round(seconds, 3), "wrong": wrong}


def latency_figures(service: Served, samples: list[Sample]) -> Mapping[str, float | int]:
    """Of one client on one connection, request by request, at the smallest sample; milliseconds."""
    smallest = min(samples, key=lambda sample: sum(array.size for array in sample.inputs.values()))
    body, headers = service.write(smallest.inputs, service.forms[0])
    times = []
    for _ in range(LATENCY_REQUESTS):
        started = time.perf_counter()
        service.read(service.server.post(body, headers), service.forms[0])
        times.append((time.perf_counter() - started) * 1e3)
    return {
        "p50_ms": float(np.percentile(times, 50)),
        "p90_ms": float(np.percentile(times, 90)),
        "requests": len(times),
    }
