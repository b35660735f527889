"""Runs rows of the matrix, and writes them down as docs/matrix.json and docs/matrix.md.

`python -m tests.matrix.running [NAME...]` measures the rows named (all, if none) and rewrites both files.
"""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from optimize.execution import runner
from optimize.execution.run import run
from optimize.stages import runtimes
from tests.forked import ForkedWorkers
from tests.matrix.case import Case, all_cases

DOCS = Path(__file__).parents[2] / "docs"
HEAD = """\
# Sources and formats

Made by `python -m tests.matrix.running`. A cell says whether the converted model gives the source's own answers at
sizes that it was not converted at, and which converter made it. The figure is the largest relative error of any output.
A path that does not exist, or does not hold, says why below the table.

"""
REPEATED = (
    "The tests repeat every row: state, converter and reason must be these, and no error more than ten times this one, or "
    "than 1e-5. Not repeated are {}."
)

QUANTIZED = ("dynamic", "static")

Cell = Mapping[str, Any]
Row = Mapping[str, Cell]


def run_case(case: Case, folder: Path, workers: ForkedWorkers) -> Row:
    """Candidate to what became of it."""
    sections = case.build(folder, workers)
    pipeline = {
        "name": "matrix", **sections,
        "candidates": {"formats": list(case.formats or runtimes()), "quantization": list(case.quantization)},
        "benchmark": {"processes": 3, "budget_s": 0.1},
    }  # fmt: skip
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    with patch.object(runner, "Workers", lambda: workers):
        result = run(folder / "pipeline.yaml", until="check")
    return {candidate.name: _cell(candidate) for candidate in result.report.candidates}


def _cell(candidate: Any) -> Cell:
    drift = max((output.max_relative for output in (candidate.drift or {}).values()), default=None)
    return {
        "state": str(candidate.state),
        "converter": candidate.converter,
        "drift": None if drift is None else float(f"{drift:.1e}"),
        "reason": "" if candidate.state == "ok" else candidate.reason,
    }


def read_matrix() -> dict[str, Any]:
    file = DOCS / "matrix.json"
    matrix: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return matrix


def page(matrix: Mapping[str, Any]) -> str:
    parts = [HEAD + textwrap.fill(REPEATED.format(_left_out()), 120), "", *_table(matrix, ("none",))]
    quantized = [q for q in QUANTIZED if any(f"{f}-{q}" in e["cells"] for e in matrix.values() for f in runtimes())]
    if quantized:
        parts += ["", "## Quantized", "", *_table(matrix, quantized)]
    further = _further(matrix)
    if further:
        parts += ["", "## By further methods", "", *further]
    causes = {(case.name, candidate): f": {why}" for case in all_cases() for candidate, why in case.causes.items()}
    reasons = [
        f"- {name} → {candidate}: {_plain(cell['reason'])}{causes.get((name, candidate), '')}"
        for name, entry in matrix.items()
        for candidate, cell in entry["cells"].items()
        if cell["reason"]
    ]
    return "\n".join([*parts, "", "## Reasons", "", *reasons]) + "\n"


def _left_out() -> str:
    """The formats that the test leaves out, and of which rows."""
    rows: dict[str, list[str]] = {}
    for case in all_cases():
        left = set(case.formats or runtimes()) - set(case.to_repeat().formats)
        if left:
            rows.setdefault(", ".join(name for name in runtimes() if name in left), []).append(case.name)
    return "; ".join(f"{formats} of {', '.join(names)}" for formats, names in rows.items()) or "none"


def _table(matrix: Mapping[str, Any], quantization: Sequence[str]) -> list[str]:
    """Rows that have any such candidate, formats across."""
    columns = [f"{f}-{q}" for f in runtimes() for q in quantization]
    titles = [column.removesuffix("-none") for column in columns]
    lines = [f"| source | model | {' | '.join(titles)} |", f"|---|---|{'---|' * len(columns)}"]
    for name, entry in matrix.items():
        row = entry["cells"]
        if any(column in row for column in columns):
            lines.append(f"| {entry['kind']} | {name} | {' | '.join(_words(row.get(c)) for c in columns)} |")
    return lines


def _further(matrix: Mapping[str, Any]) -> list[str]:
    """Candidates by other methods, one a line."""
    lines = [
        f"| {entry['kind']} | {name} | {candidate} | {_words(cell)} |"
        for name, entry in matrix.items()
        for candidate, cell in entry["cells"].items()
        if candidate.rpartition("-")[2] not in ("none", *QUANTIZED)
    ]
    return ["| source | model | candidate | |", "|---|---|---|---|", *lines] if lines else []


def _words(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell["state"] != "ok":
        return str(cell["state"])
    return f"{cell['drift']:.0e}<br>{cell['converter'].replace('_', chr(92) + '_')}"


def _plain(reason: str) -> str:
    text = " ".join(reason.split())
    return (text if len(text) <= 300 else text[:297] + "...").replace("<", "&lt;").replace("|", chr(92) + "|")


def main(names: Sequence[str]) -> None:
    matrix = read_matrix()
    cases = [case for case in all_cases() if not names or case.name in names]
    workers = ForkedWorkers()
    for case in cases:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            matrix[case.name] = {"kind": case.kind, "cells": run_case(case, Path(folder), workers)}
        states = {candidate: cell["state"] for candidate, cell in matrix[case.name]["cells"].items()}
        print(f"{time.monotonic() - started:.1f} s", case.name, states, flush=True)
        write(matrix)


def write(matrix: Mapping[str, Any]) -> None:
    """Both files, in the order of the cases."""
    ordered = {case.name: matrix[case.name] for case in all_cases() if case.name in matrix}
    (DOCS / "matrix.json").write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    (DOCS / "matrix.md").write_text(page(ordered), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
