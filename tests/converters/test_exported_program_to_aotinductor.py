"""An exported program compiled by AOTInductor: what that holds in memory, and what its package gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("compiled")
    script = root / "tests" / "converters" / "aoti_compile.py"
    (folder / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], env=os.environ | {"TMPDIR": str(folder / "tmp")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for file in folder.rglob("*.pt2"):
        file.unlink()
    found: dict[str, Any] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    found["left"] = [path.name for path in (folder / "tmp").rglob("*.wrapper.so")]
    return found


def test_weights_are_held_twice_besides_the_libraries_and_not_three_times(said: dict[str, Any]) -> None:
    """Once loaded, and once laid out for the package; 2.3 times with what the compiler itself takes."""
    assert said["times"] < 2.7


def test_the_package_gives_the_programs_answers_at_sizes_it_was_not_exported_at(said: dict[str, Any]) -> None:
    assert all(error < 1e-5 for error in said["errors"])


def test_a_program_without_example_inputs_is_refused_with_what_to_do(said: dict[str, Any]) -> None:
    assert "has none; save it with those that torch.export.export was given" in said["refused"]


def test_a_process_that_ends_at_once_with_a_package_loaded_leaves_nothing_behind(said: dict[str, Any]) -> None:
    assert said["left"] == []
