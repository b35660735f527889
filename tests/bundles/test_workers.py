"""Servers side by side, and several workers in one. `optimize boot --setup` has been run, and Java is there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from optimize.bundles.inspection import unpack_bundle
from optimize.bundles.messages import BOOT_ENVIRONMENT
from optimize.bundles.samples import Sample
from optimize.bundles.served import Served, open_served, start_figures
from optimize.bundles.toolkits import TOOLKITS
from optimize.execution.request import ArtifactReference
from optimize.pipeline.schema import Tolerances
from tests.bundles.cases import draw_inputs, emit_request, right_outputs
from tests.bundles.conftest import Carry

pytestmark = pytest.mark.slow

CORES = os.cpu_count() or 1


@contextmanager
def served_by(workers: int, bundle: Path, base: Path, patch: pytest.MonkeyPatch) -> Iterator[Served]:
    base.mkdir()
    unpacked = unpack_bundle(bundle, base / "model")
    patch.setitem(BOOT_ENVIRONMENT, "SAGEMAKER_MODEL_SERVER_WORKERS", str(workers))  # type: ignore[arg-type]
    inputs = draw_inputs("single", 1)
    with open_served(TOOLKITS["multi_model_server"], base, unpacked) as served:
        start_figures(served, Sample("", inputs, right_outputs("single", inputs)), Tolerances().fp32)
        yield served


def test_two_servers_stand_side_by_side_and_workers_share_the_cores(
    model: Callable[[str, str], ArtifactReference],
    golden: Callable[[str], Path],
    carry_out: Carry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, files = carry_out(emit_request(model("onnx", "single"), golden("single"), "multi-model-server", threads=2))
    with ExitStack() as stack:
        servers = [
            stack.enter_context(served_by(count, files / "model.tar.gz", tmp_path / str(count), monkeypatch))
            for count in (1, 2)
        ]
        for served in servers:
            inputs = draw_inputs("single", 3)
            for form in served.forms:
                logits = served.ask(inputs, form)["logits"]
                np.testing.assert_allclose(logits, right_outputs("single", inputs)["logits"], atol=1e-5)
        (alone,) = threads_of_workers(servers[0].server.process.pid)
        # ONNX Runtime starts one thread less than it is told to use: the caller's is one of them.
        expected = [alone - (min(CORES, 2) - 1)] * 2
        assert wait_for_threads(servers[1].server.process.pid, expected) == expected


def wait_for_threads(group: int, expected: list[int]) -> list[int]:
    """One worker may still be loading when the other answers."""
    deadline = time.monotonic() + 30
    while (found := threads_of_workers(group)) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def threads_of_workers(group: int) -> list[int]:
    """Of each process that serves a model: multi-model-server forks them from one that only listens."""
    threads: dict[int, int] = {}
    parents: dict[int, int] = {}
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and "--sock-type" in process.cmdline():
                threads[process.pid], parents[process.pid] = process.num_threads(), process.ppid()
        except (ProcessLookupError, psutil.Error):
            continue
    return [count for pid, count in threads.items() if parents[pid] in threads]
