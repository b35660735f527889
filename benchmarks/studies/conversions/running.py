"""Processes and pipeline files of the study."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from optimize.execution.events import StepResult
from optimize.execution.run import run


def python(folder: Path, code: str, *arguments: str) -> str:
    """What it prints."""
    done = subprocess.run(bare_call(code, *arguments), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return done.stdout


def bare_call(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-c", code, *arguments]


def carry_out(
    folder: Path,
    source: dict[str, Any],
    formats: Sequence[str],
    quantization: Sequence[str] = ("none",),
    **sections: Any,
) -> dict[str, StepResult]:
    """The steps that came to an end, by their titles; the others are printed."""
    candidates = {"formats": list(formats), "quantization": list(quantization)}
    pipeline = {"name": "study", "source": source, "candidates": candidates} | sections
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    result = run(folder / "pipeline.yaml", until="quantize")
    for step in result.steps:
        if step.state != "ok":
            print(f"  {step.step.title}: {step.state}: {step.reason}", flush=True)
    return {step.step.title: step for step in result.steps if step.state == "ok"}


def again(step: StepResult, folder: Path) -> float:
    """Seconds of the step's process, carried out again into `folder`."""
    return seconds(folder.parent, [sys.executable, "-m", "optimize.execution.worker", str(step.made.path), str(folder)])


def seconds(folder: Path, command: Sequence[str]) -> float:
    """Of a process, from its start to its end."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return time.perf_counter() - started
