"""What is built holds what the tree holds: the links of the stage folders survive into wheel and sdist."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def modules_of_tree(root: Path) -> set[str]:
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=root, capture_output=True, text=True, check=True).stdout
    stages = ("converters/", "quantizers/", "benchmarks/")
    return {
        f"optimize/{name}" if name.startswith(stages) else name
        for name in tracked.splitlines()
        if name.startswith(("optimize/", *stages)) and not name.startswith("benchmarks/studies/")
    }


def test_the_wheel_has_every_module_and_every_data_file(root: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(root), str(clone)], check=True)
    command = [sys.executable, "-m", "build", "--outdir", str(tmp_path / "dist"), str(clone)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wheel = next((tmp_path / "dist").glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert modules_of_tree(clone) <= names
    assert {n.split("/")[0] for n in names if not n.split("/")[0].endswith(".dist-info")} == {"optimize"}
    for data in ("benchmarks/targets.yaml", "reports/templates/report.html", "py.typed"):
        assert f"optimize/{data}" in names
