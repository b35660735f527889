"""The study of the measurement runs; what its figures are, it says where it is run alone on a machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_study_of_the_measurement_still_runs(root: Path) -> None:
    pytest.importorskip("onnxruntime")
    command = [
        sys.executable,
        str(root / "benchmarks" / "studies" / "measuring.py"),
        "--trials",
        "1",
        "--budget",
        "0.2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, handshake, figures = done.stdout.split("\n", 2)
    told = json.loads(figures)
    assert json.loads(handshake)["handshake_p50_us"] > 0
    assert told["trials"] == 1 and sum(told["verdicts_on_the_slower"].values()) == 1
