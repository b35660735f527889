"""`optimize run` as it is seen: on a terminal, in a pipe, quiet, loud and for a program. One run, then its repeats."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from optimize.schemas import report_schema
from tests.commands.models import onnx_project_in
from tests.reports.terminals import Drawn, on_terminal

RUN = [sys.executable, "-m", "optimize", "run", "--until", "measure", "-o", "report.parquet=true"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_project_in(tmp_path_factory.mktemp("seen"))


@pytest.fixture(scope="module")
def first(folder: Path) -> Drawn:
    return on_terminal([*RUN, "--verbose"], 160, folder)


def again(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_a_verbose_run_passes_on_logs_with_versions_and_where_they_stand(first: Drawn) -> None:
    assert first.status == 0, first.text
    lines = [line.rstrip() for line in first.lines]
    assert any("quantize onnx-dynamic │ ok: " in line for line in lines)
    assert any(re.search(r" +with optimize [0-9.]+, numpy [0-9.]+, .*onnxruntime [0-9.]+", line) for line in lines)
    logs = [line.partition("log: ")[2] for line in lines if line.startswith(f"{'':12}log: ")]
    assert len(logs) >= 6 and all(Path(log).is_file() for log in logs)
    assert any(re.match(r"onnx-none +running +golden", line) for line in lines), "and the live display beside it"


def test_nothing_is_drawn_from_the_start_of_the_measurement_to_its_end(first: Drawn) -> None:
    after = first.text.partition("silent until it has ended)")[2]
    assert re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", after).lstrip().startswith(("measure │", "ok          measure"))


def test_every_call_that_was_timed_is_in_the_parquet_file(first: Drawn, folder: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(folder / "build" / "samples.parquet").to_pydict()
    assert set(table["candidate"]) == {"source", "onnx-none", "onnx-dynamic"}
    report = json.loads((folder / "build" / "report.json").read_text(encoding="utf-8"))
    calls = {c["name"]: c["latency"]["n"] for c in report["candidates"]}
    assert all(table["candidate"].count(name) == n for name, n in calls.items())


def test_in_a_pipe_a_repeat_says_what_came_from_the_store_and_draws_nothing(first: Drawn, folder: Path) -> None:
    done = again(folder, "-v")
    assert done.returncode == 0 and "\x1b" not in done.stdout and done.stderr == ""
    assert done.stdout.count(" stored\n") >= 6 and "… " not in done.stdout
    assert "│" not in done.stdout, "a stored log is named, not repeated"


def test_quiet_is_the_sentence_and_json_is_the_report(first: Drawn, folder: Path) -> None:
    quiet = again(folder, "--quiet")
    asked = again(folder, "--json")
    assert (quiet.stderr, asked.stderr) == ("", "")
    report = json.loads(asked.stdout)
    jsonschema.validate(report, report_schema())
    assert quiet.stdout == report["sentence"] + "\n"
    loud = again(folder, "--json", "--verbose")
    assert json.loads(loud.stdout) == report and "stored" in loud.stderr


def test_quiet_and_verbose_together_are_refused(folder: Path) -> None:
    done = again(folder, "-q", "-v")
    assert done.returncode == 2 and "give one of them" in done.stderr and "Traceback" not in done.stderr


def test_a_report_folder_that_cannot_be_written_is_said_before_anything_is_run(folder: Path) -> None:
    (folder / "taken").write_text("a file", encoding="utf-8")
    for where in ("taken", "taken/deeper"):
        done = again(folder, "-o", f"report.folder={where}", "--workdir", str(folder / "fresh"))
        assert done.returncode == 2 and "taken is not a folder; name another folder with -o report=DIR" in done.stderr
    assert not (folder / "fresh").exists()


def test_no_color_is_kept_to(first: Drawn, folder: Path) -> None:
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", on_terminal(RUN, 100, folder).text)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", on_terminal(RUN, 100, folder, NO_COLOR="1").text)
