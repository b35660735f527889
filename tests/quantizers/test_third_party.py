"""A method that a third party adds by an entry point: its options, its data and the target reach it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.plugins import install_package

QUANTIZER = """
from optimize.artifact import Made
from optimize.methods import Method
from optimize.sections import Section


class Options(Section):
    bits: int = 7


reads = makes = "onnx"
libraries = ()
method = Method("seven", precision="int8", calibrated=True, options=Options, targeted=True)


def quantize(model, task, output):
    import shutil
    shutil.copy(model.path / "model.onnx", output)
    return Made(f"{task.options.bits} bits, {len(task.rows)} rows, vnni {'vnni' in task.isa}, {task.architecture}")
"""


@pytest.fixture
def project(tmp_path: Path, onnx_project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    install_package(package, {"seven": QUANTIZER}, {"quantizers": {"onnx_seven": "seven"}}, monkeypatch)
    options = {"onnx-seven": {"bits": 6}}
    candidates = {"formats": ["onnx"], "quantization": ["seven"], "options": options}
    return onnx_project(candidates=candidates, target="ml.c5.large", accept="emulated")


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimize", "run", str(path), "--until", "quantize", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def cached(path: Path) -> bool:
    steps = json.loads((path.parent / "build" / "report.json").read_text())["steps"]
    return bool(next(step["cached"] for step in steps if step["name"] == "quantize:onnx-seven"))


def test_what_it_is_given_is_what_the_file_says_and_all_of_it_is_in_the_key(project: Path) -> None:
    assert (done := run(project)).returncode == 0, done.stdout + done.stderr
    (candidate,) = json.loads((project.parent / "build" / "report.json").read_text())["candidates"]
    assert candidate["method"] == "6 bits, 32 rows, vnni False, x86_64" and candidate["precision"] == "int8"
    run(project, "-o", "target=ml.m5.large")
    assert cached(project), "another target with the same instruction sets"
    run(project, "-o", "target=ml.c6i.large")
    assert not cached(project)
    run(project, "-o", "candidates.options.onnx-seven.bits=5")
    assert not cached(project)
