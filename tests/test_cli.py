"""The command line starts fast, and turns errors into exit codes at one place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from optimize import cli
from optimize.errors import Interrupted, ToolError, UserError

HEAVY = ("torch", "tensorflow", "onnxruntime", "onnx", "transformers", "numpy", "pydantic", "rich", "optimum")


def test_help_and_import_load_nothing_heavy() -> None:
    code = (
        "import sys, optimize, optimize.cli\n"
        "assert optimize.cli.run_command(['--help']) == 0\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_planning_loads_no_library_of_a_stage(root: object) -> None:
    code = (
        "import sys, optimize.cli\n"
        f"assert optimize.cli.run_command(['plan', {str(root)!r} + '/pipeline.yaml']) == 0\n"
        f"print([m for m in {[m for m in HEAVY if m not in ('numpy', 'pydantic', 'rich')]!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_help_names_every_command_and_every_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "optimize", "--help"], capture_output=True, text=True, check=True)
    for command, line in cli.COMMANDS.items():
        assert command in done.stdout and line.split()[0] in done.stdout
    for code in ("0 a winner", "1 a gate", "2 the command", "3 the", "4 the", "130"):
        assert code in done.stdout


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_of_its_own(command: str) -> None:
    assert cli.run_command([command, "--help"]) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("x"), 2), (ToolError("x"), 3), (Interrupted("x"), 130), (OSError("full"), 3), (RuntimeError("bug"), 3)],
)
def test_each_kind_of_error_has_its_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(cli.cli, "main", fail)
    assert cli.run_command(["run"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_misspelt_command_offers_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command(["rnu"]) == 2
    assert "Did you mean 'run'?" in capsys.readouterr().err


def test_doctor_says_what_is_there_and_what_is_missing(
    root: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run_command(["doctor", f"{root}/pipeline.yaml"]) == 0
    assert "onnxruntime" in capsys.readouterr().out
    monkeypatch.setattr("optimize.versions.library_version", lambda name: None if name == "onnxruntime" else "1.0")
    assert cli.run_command(["doctor", f"{root}/pipeline.yaml"]) == 2
    assert "pip install 'optimize-pipeline[onnx]'" in capsys.readouterr().err
