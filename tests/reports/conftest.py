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
