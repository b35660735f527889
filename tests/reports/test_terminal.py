"""What a terminal shows, driven under a pseudo-terminal of a given width."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optimize.reports.model import Report
from tests.reports.terminals import on_terminal, plain

DIGITS = Path(__file__).parent / "digits.json"
PRINT = f"""
from pathlib import Path
from rich.console import Console
from optimize.reports.model import Report
from tests.reports.terminals import on_terminal, plain
from optimize.reports.terminal import print_report
print_report(Report.model_validate_json(Path({str(DIGITS)!r}).read_text()), Console())
"""
WATCH = """
import time
from pathlib import Path
from rich.console import Console
from optimize.execution.events import StepResult
from optimize.plan import Candidate, Plan, Stage, Step
from optimize.reports.watching import TerminalWatcher
from optimize.store import State
log = Path("step.log")
watcher = TerminalWatcher(Console(), quiet={quiet}, verbose={verbose})
convert, measure = Step("convert:onnx", Stage.CONVERT, ""), Step("measure", Stage.MEASURE, "")
candidate = Candidate("onnx-none", "onnx", "none", "convert:onnx", "convert:onnx")
watcher.planned(Plan({{"convert:onnx": convert}}, (candidate,), Stage.MEASURE), {{"convert:onnx": 90, "measure": 80}})
watcher.started(convert, log)
time.sleep(0.6)
watcher.ended(StepResult(convert, State.FAILED, "ValueError: no [such] operator"))
watcher.started(measure, log)
print("<silence>", flush=True)
time.sleep(0.8)
print("</silence>", flush=True)
watcher.ended(StepResult(measure, State.OK, ""))
watcher.close()
"""
LOUD = WATCH.format(quiet=False, verbose=False)


def in_terminal(code: str, columns: int, **variables: str) -> str:
    """What a process draws on a terminal of that many columns."""
    drawn = on_terminal([sys.executable, "-c", code], columns, **variables)
    assert drawn.status == 0, drawn.text
    return drawn.text


def table_of(lines: list[str]) -> list[str]:
    start = next(i for i, line in enumerate(lines) if line.startswith("candidate "))
    return lines[start : lines.index("", start)]


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_table_fits_and_no_name_or_figure_is_cut(columns: int, report: Report) -> None:
    table = table_of(plain(in_terminal(PRINT, columns)))
    assert all(len(line.rstrip()) <= columns for line in table)
    assert not any("…" in line for line in table)
    assert table[1].split()[0] == report.winner
    assert {line.split()[0] for line in table[1:]} == {c.name for c in report.candidates}
    winner = next(c for c in report.candidates if c.name == report.winner)
    assert winner.latency is not None
    assert f"{winner.latency.p50_ms:.3g}" in table[1]
    assert "×" in table[1] and "[" in table[1], "a speed-up never stands without its interval"


def test_a_wide_terminal_shows_every_column() -> None:
    heading = table_of(plain(in_terminal(PRINT, 140)))[0]
    for title in ("state", "p50 ms", "speed-up", "cold start s", "memory", "size", "accuracy", "drift"):
        assert title in heading


def test_every_reason_stands_below_the_table_whole(report: Report) -> None:
    lines = plain(in_terminal(PRINT, 80))
    text = " ".join(" ".join(lines).split())
    assert all(" ".join(c.reason.split()) in text for c in report.candidates)
    assert all(len(line.rstrip()) <= 80 for line in lines[: lines.index(next(x for x in lines if "faster than" in x))])


def test_no_color_means_no_colour() -> None:
    assert "\x1b[1;32m" in in_terminal(PRINT, 80)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", in_terminal(PRINT, 80, NO_COLOR="1"))


def test_a_pipe_takes_whole_lines_without_escapes(report: Report) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    drawn = subprocess.run(
        [sys.executable, "-c", PRINT], capture_output=True, text=True, env=environment, check=True
    ).stdout
    assert "\x1b" not in drawn
    lines = drawn.splitlines()
    assert "drift" in table_of(lines)[0]
    for candidate in report.candidates:
        assert any(line.startswith(candidate.name) and candidate.reason in line for line in lines)


def test_nothing_is_drawn_while_time_is_measured() -> None:
    drawn = in_terminal(LOUD, 80)
    between = drawn.partition("<silence>")[2].partition("</silence>")[0]
    assert between.strip() == ""
    assert "silent until it has ended, which took 1 min 20 s the last time" in drawn
    assert any(re.match(r"failed +convert onnx .*no \[such\] operator", line) for line in plain(drawn))


def test_while_steps_run_it_is_said_where_each_candidate_stands_and_what_is_left() -> None:
    lines = plain(in_terminal(LOUD, 80))
    assert any(re.match(r"onnx-none +running +convert onnx \d s of about 1 min 30 s$", line.rstrip()) for line in lines)
    assert any(
        re.match(r"convert: 2 steps left, at most about 2 min \d+ s by earlier runs; \d s so far", x) for x in lines
    )


def test_a_terminal_that_cannot_move_its_cursor_is_given_plain_lines() -> None:
    drawn = in_terminal(LOUD, 80, TERM="dumb")
    assert "… convert onnx" in drawn and "steps left" not in drawn and "\x1b" not in drawn


def test_quiet_draws_nothing() -> None:
    lines = [line for line in plain(in_terminal(WATCH.format(quiet=True, verbose=False), 80)) if line]
    assert lines == ["<silence>", "</silence>"]


def test_under_tmux_nothing_is_left_of_the_live_lines(tmp_path: Path) -> None:
    """tmux keeps a real screen: what stands on it at the end is what a person sees."""
    script = tmp_path / "watch.py"
    script.write_text(LOUD, encoding="utf-8")
    socket = str(tmp_path / "tmux")
    tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
    try:
        command = f"{sys.executable} {script}; sleep 30"
        subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "24", command], check=True)
    except FileNotFoundError:
        pytest.skip("tmux is not installed")
    try:
        screen = _until(tmux, "ok          measure")
        assert "left" not in screen
        assert screen.count("convert onnx") == 1
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def _until(tmux: list[str], awaited: str) -> str:
    deadline = time.monotonic() + 20
    screen = ""
    while time.monotonic() < deadline and awaited not in screen:
        time.sleep(0.2)
        screen = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False).stdout
    return screen
