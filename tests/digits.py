"""One real run of the example, shared by the tests that look at what it left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

RUN = """
import json, sys
from optimize.benchmarks.worker import peak_bytes
from optimize.cli import run_command
code = run_command(sys.argv[1:])
print(json.dumps({"exit_code": code, "peak_bytes": peak_bytes()}))
"""


@dataclass(frozen=True)
class Digits:
    """A copy of the example, so that a test may change it."""

    folder: Path

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipeline.yaml"

    def run(self, *arguments: str) -> Mapping[str, Any]:
        """The exit code and the peak memory of the command's own process."""
        command = [sys.executable, "-c", RUN, "run", str(self.pipeline), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        last = done.stdout.strip().splitlines()[-1]
        result: Mapping[str, Any] = json.loads(last)
        assert result["exit_code"] == 0, done.stdout + done.stderr
        return result

    @cached_property
    def report(self) -> Mapping[str, Any]:
        return self.read_report()

    def read_report(self) -> Mapping[str, Any]:
        report: Mapping[str, Any] = json.loads((self.folder / "build" / "report.json").read_text())
        return report

    def entry(self, step: str) -> Path:
        """The folder in the store that a step of the last run left."""
        steps = {s["name"]: s for s in self.read_report()["steps"]}
        return Path(steps[step]["log"]).parent

    def forget(self, *stages: str) -> None:
        """Take the results of these stages out of the store."""
        for record in (self.folder / ".optimize" / "store").glob("*/*/*/record.json"):
            if json.loads(record.read_text())["stage"] in stages:
                shutil.rmtree(record.parent)


def copy_example(root: Path, folder: Path) -> Digits:
    shutil.copytree(root / "examples" / "digits", folder / "examples" / "digits")
    shutil.copy(root / "pipeline.yaml", folder)
    return Digits(folder)
