"""`optimize explain`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimize.errors import UserError
from optimize.printing import say

if TYPE_CHECKING:
    from optimize.reports.model import CandidateReport, Report, StepReport

LOG_LINES = 15


@click.command(name="explain")
@click.argument("candidate")
@click.option(
    "--report", "where", type=click.Path(path_type=Path), metavar="PATH",
    help="A report.json, or the folder of a run; by default where ./pipeline.yaml has its reports.",
)  # fmt: skip
@click.option("--log", "whole_log", is_flag=True, help="Print logs whole, not their last lines.")
def command(candidate: str, where: Path | None, whole_log: bool) -> int:
    """Say how CANDIDATE came to be: each step's state, log, and the command that runs it again."""
    from optimize.reports.read import read_report

    report = read_report(where or _default())
    found = _find(candidate, report)
    _print_candidate(found, report)
    steps = {step.name: step for step in report.steps}
    for name in found.steps:
        if name in steps:
            _print_step(steps[name], whole_log)
    return 0


def _default() -> Path:
    from optimize.pipeline.loading import load

    if not Path("pipeline.yaml").is_file():
        raise UserError(
            "there is no pipeline.yaml here; say where the report is: optimize explain CANDIDATE --report PATH"
        )
    file = load(Path("pipeline.yaml"))
    folder = file.resolve(file.pipeline.report.folder)
    if not (folder / "report.json").is_file():
        raise UserError(f"{folder} holds no report.json yet; type: optimize run pipeline.yaml")
    return folder


def _find(name: str, report: Report) -> CandidateReport:
    names = [one.name for one in report.candidates]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UserError(f"the run had no candidate {name}{hint} It had {', '.join(names) or 'none'}")
    return report.candidates[names.index(name)]


def _print_candidate(candidate: CandidateReport, report: Report) -> None:
    from optimize.reports.table import COLUMNS

    wins = ", the winner" if candidate.name == report.winner else ""
    say(f"{candidate.name}: {candidate.state}{wins}")
    say(f"  {candidate.reason}")
    if candidate.converter:
        say(f"  made by {candidate.converter}" + (f" ({candidate.method})" if candidate.method else ""))
    if candidate.settings:
        say(f"  its runtime is told {', '.join(f'{key}: {value}' for key, value in candidate.settings.items())}")
    for tried in candidate.tried:
        say(f"  tried before that: {tried}")
    for column in COLUMNS[2:]:
        if column.figure(candidate) is not None:
            say(f"  {column.title:<14} {column.cell(candidate)}")
    for gate in candidate.gates:
        say(f"  gate {'held  ' if gate.held else 'MISSED'} {gate.detail}")
    if candidate.steps:
        say("\nstep by step:")


def _print_step(step: StepReport, whole_log: bool) -> None:
    took = "" if step.seconds is None else f", {step.seconds:.1f} s{', from the store' if step.cached else ''}"
    say(f"\n  {step.name.replace(':', ' ', 1)}: {step.state}{took}")
    if step.reason:
        say(f"    {step.reason}")
    if step.method:
        say(f"    {step.method}")
    for note in step.notes:
        say(f"    note: {note}")
    if step.versions:
        say(f"    with {', '.join(f'{name} {number}' for name, number in step.versions.items())}")
    if step.reproduce:
        say(f"    again: {step.reproduce}")
    if step.log:
        say(f"    log: {step.log}")
        if whole_log or step.state != "ok":
            _print_log(Path(step.log), whole_log)


def _print_log(path: Path, whole: bool) -> None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        say("      (it is not on this machine, or the store was cleared)")
        return
    shown = lines if whole else lines[-LOG_LINES:]
    if len(shown) < len(lines):
        say(f"      … {len(lines) - len(shown)} lines before; --log prints them")
    for line in shown:
        say(f"      {line}")
