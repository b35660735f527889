"""`optimize check`, as an editor and a pre-commit hook use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from optimize.cli import run_command

ROOT = Path(__file__).parents[2]


def test_the_example_is_valid(capsys: Any) -> None:
    assert run_command(["check", str(ROOT / "pipeline.yaml")]) == 0
    assert re.search(r"pipeline\.yaml: ok, \d candidates", capsys.readouterr().out)


def test_every_file_is_looked_at_and_every_problem_told_with_its_line(tmp_path: Path, capsys: Any) -> None:
    good = str(ROOT / "pipeline.yaml")
    (tmp_path / "a.yaml").write_text("name: a\nsorce: {}\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("name: [\n", encoding="utf-8")
    assert (
        run_command(["check", str(tmp_path / "a.yaml"), good, str(tmp_path / "b.yaml"), str(tmp_path / "c.yaml")]) == 2
    )
    said = capsys.readouterr()
    assert "ok, " in said.out
    for words in ("a.yaml:2: sorce: unknown key, did you mean 'source'?", "b.yaml:", "c.yaml: no such file"):
        assert words in said.err


def test_the_hook_runs_this_command_on_pipeline_files() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["entry"]) == ("optimize-check", "optimize check")
