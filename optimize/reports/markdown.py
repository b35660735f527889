"""`report.md`: for a pull-request comment or a job summary."""

from __future__ import annotations

from optimize.reports.model import Report
from optimize.reports.table import COLUMNS, measured_where, ranked


def to_markdown(report: Report) -> str:
    lines = [f"## {_escape(report.name)}: {report.winner or 'no winner'}", "", _escape(report.sentence), ""]
    lines += ["| " + " | ".join(column.title for column in COLUMNS) + " |"]
    lines += ["|" + "|".join("--:" if column.numeric else ":--" for column in COLUMNS) + "|"]
    for candidate in ranked(report):
        cells = [_escape(column.cell(candidate)) for column in COLUMNS]
        if candidate.name == report.winner:
            cells[0] = f"**{cells[0]}**"
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"Measured: {_escape(measured_where(report))}.", ""]
    lines += [f"> {_escape(warning)}" for warning in report.warnings]
    if report.bundle:
        lines += ["", f"Bundle: `{report.bundle.path}`, sha256 `{report.bundle.digest}`"]
    return "\n".join(lines).rstrip() + "\n"


def _escape(text: str) -> str:
    """No cell ends a table, opens a tag or starts a mark-up of its own."""
    for mark in ("\\", "|", "<", ">", "*", "_", "`", "["):
        text = text.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return " ".join(text.split())
