"""A report of a real run of the example pipeline, and reports made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimize.reports.model import BundleReport, Report, Served

DIGITS = Path(__file__).parent / "digits.json"


@pytest.fixture(scope="session")
def report() -> Report:
    return Report.model_validate_json(DIGITS.read_text(encoding="utf-8"))


@pytest.fixture
def raw() -> dict[str, Any]:
    """The same as plain JSON, to be changed."""
    found: dict[str, Any] = json.loads(DIGITS.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def unmeasured(report: Report) -> Report:
    """A run that was stopped after `check`."""
    bare = {"latency": None, "cold_start": None, "memory": None, "samples": None, "gates": []}
    return report.model_copy(
        update={
            "until": "check",
            "winner": None,
            "candidates": [c.model_copy(update=bare) for c in report.candidates],
            "source": report.source.model_copy(
                update={"latency": None, "cold_start": None, "memory": None, "timed": None}
            ),
        }
    )


@pytest.fixture(scope="session")
def bundled(report: Report) -> Report:
    """A run that went to its end."""
    served = Served(cold_start_s=3.2, p50_ms=1.7, p90_ms=2.9, requests=200)
    bundle = BundleReport(
        path="build/model.tar.gz", digest="d" * 64, size_bytes=1_234_567, container="torchserve", booted="it answered",
        served=served,
    )  # fmt: skip
    return report.model_copy(update={"bundle": bundle, "until": "bundle"})


@pytest.fixture(scope="session")
def searched(report: Report) -> Report:
    """A run that was asked for all there is: a search, throughput, an old artifact, a target's instruction sets."""
    found = json.loads(report.model_dump_json())
    first, second = found["candidates"][:2]
    drift, accuracy = first["drift"], first["accuracy"]
    trials = [
        {
            "number": n, "candidate": f"{form}-auto", "format": form, "method": "static", "precision": "int8",
            "options": {"calibration": "percentile", "exclude": [f"layer{i}" for i in range(n)]}, "settings": {},
            "state": "ok" if n != 2 else "drifted", "reason": "" if n != 2 else "cosine 0.1 is under 0.97",
            "cleared": n != 2, "ratio": None if n == 2 else {"value": 0.9 - n / 20, "ci": [0.88 - n / 20, 0.92 - n / 20]},
            "drift": {k: {**v, "max_relative": 0.01 * (n + 1)} for k, v in drift.items()}, "accuracy": accuracy,
            "size_bytes": 100_000 + n, "seconds": 3.0, "frontier": n in (0, 3), "best": n == 3,
        }
        for form in ("onnx", "torchscript")
        for n in range(4)
    ]  # fmt: skip
    layers = [{"layer": f"features/conv{i}/Conv_quant", "kind": "Conv", "snr_db": 8.0 + 3 * i} for i in range(25)]
    found["search"] = {
        "budget_s": 120.0, "used_s": 96.0, "stopped": "the budget was spent", "trials": trials,
        "sensitivity": {"onnx-static": layers}, "slower": {"torchscript": ["no VNNI kernel for groups"]}, "notes": [],
    }  # fmt: skip
    probes = [{"rate_per_s": 100.0 * 2**i, "p99_ms": 2.0 + i**2, "n": 900, "held": i < 3} for i in range(5)]
    for one in (first, second):
        one["throughput"] = {
            "workers": 2, "rate_per_s": 400.0, "p99_target_ms": 10.0, "per_core_per_s": 200.0, "best_rows_per_s": 900.0,
            "probes": probes, "closed": [],
        }  # fmt: skip
        one["regression"] = {"ratio": 0.97, "ci": [0.96, 0.98], "margin": 0.02, "verdict": "ok"}
        one["on_target"] = {"how": "emulated", "drifted": "", "unknown": "", "drift": drift}
    found["baseline"] = {"path": "old/model.tar.gz", "format": "onnx", "quantization": "none", "digest": "c" * 64}
    found["sizing"] = [
        {
            "name": "ml.c7i.large", "vcpus": 2, "workers": 2, "memory_bytes": 2**30, "per_s": 400.0,
            "usd_per_hour": None, "usd_per_million": None, "fidelity": "emulated",
        }
    ]  # fmt: skip
    return Report.model_validate(found)


HOSTILE = "<script>alert(1)</script>|`*_[x](javascript:alert(1))"


@pytest.fixture(scope="session")
def hostile(report: Report) -> Report:
    """Every text that a user or a library chose tries to break out of its place."""
    text = report.model_dump_json().replace("onnx-static", HOSTILE.replace('"', '\\"'))
    found = Report.model_validate_json(text)
    first = found.candidates[0].model_copy(
        update={"state": "failed", "reason": f"</script></style>--> {HOSTILE} \x1b[31m"}
    )
    return found.model_copy(
        update={
            "name": HOSTILE, "candidates": [first, *found.candidates[1:]], "warnings": [HOSTILE],
            "machine": {**found.machine, "cpu": HOSTILE},
        }
    )  # fmt: skip
