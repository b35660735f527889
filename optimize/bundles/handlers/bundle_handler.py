"""Between SageMaker's inference toolkit and the model: requests in, answers out. `bundle_model.py` runs the model.

A request whose content type has the parameter `hooks=off` is answered past the hooks, where the environment has
`OPTIMIZE_HOOKS=optional`: so does a bundle's own test, which asks what the model was asked when it was made.
"""

from __future__ import annotations

import importlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bundle_hooks import asked_past_hooks, call_post, call_pre
from bundle_metrics import Metrics
from bundle_model import FILE, WRONG_VALUES, Model
from bundle_wire import Refused, decode, encode, read_settings, warm_up_inputs

SETTINGS = read_settings(Path(__file__).parent / "signature.json")
HOOKS = importlib.import_module(SETTINGS.hooks) if SETTINGS.hooks else None
METRICS = Metrics(FILE)


def worker_threads() -> int:
    """The target's cores, shared by the server's workers: the PyTorch container starts one for each vCPU."""
    cores = os.cpu_count() or 1
    workers = int(os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS") or cores)
    threads = int(SETTINGS.threads)
    return max(1, min(threads, cores) // max(1, workers))


def load(model_dir: str) -> Model:
    """Loads the model and runs it twice, so that the first request is not the slow one."""
    started = time.perf_counter()
    model = Model(Path(model_dir) / FILE, SETTINGS, worker_threads())
    inputs = warm_up_inputs(SETTINGS)
    with suppress(*WRONG_VALUES):  # Zeros may be none of the categories that an encoder knows.
        for _ in range(2 if inputs else 0):
            model.run(inputs or {})
    METRICS.put("LoadTime", time.perf_counter() - started)
    METRICS.flush()
    return model


def answer(model: Any, body: bytes | str, content_type: str | None, accept: str | None) -> tuple[bytes, str]:
    """The answer's body and its content type. Raises Refused, with a 4xx, where the request is at fault."""
    hooks = None if asked_past_hooks(content_type) else HOOKS
    if hasattr(hooks, "pre"):
        inputs = call_pre(hooks, body, content_type, SETTINGS)
    else:
        inputs = decode(body, content_type, SETTINGS)
    started = time.perf_counter()
    try:
        outputs = model.run(inputs)
    except WRONG_VALUES as error:  # Names, dtypes and shapes have been checked; this is about a value or a size.
        raise Refused(f"the model cannot take these values: {error}") from None
    METRICS.put("ModelLatency", time.perf_counter() - started)
    written: tuple[bytes, str]
    written = call_post(hooks, outputs, accept) if hasattr(hooks, "post") else encode(outputs, accept)
    return written
