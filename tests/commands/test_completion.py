"""What a shell asks when the user presses Tab."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

OPTIMIZE = [sys.executable, "-c", "from optimize.cli import main; main()"]


def completed(line: str) -> list[str]:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_OPTIMIZE_COMPLETE": "bash_complete"}
    ended = subprocess.run(OPTIMIZE, env=os.environ | words, capture_output=True, text=True, check=True)
    return [entry.partition(",")[2] for entry in ended.stdout.split()]


def test_commands_options_and_choices_are_completed() -> None:
    assert completed("optimize ins") == ["inspect"]
    assert "--only" in completed("optimize run --o")
    assert completed("optimize run --until gol") == ["golden"]
    assert completed("optimize schema rep") == ["report"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str) -> None:
    variables = os.environ | {"_OPTIMIZE_COMPLETE": f"{shell}_source"}
    ended = subprocess.run(OPTIMIZE, env=variables, capture_output=True, text=True, check=True)
    assert "_OPTIMIZE_COMPLETE" in ended.stdout
