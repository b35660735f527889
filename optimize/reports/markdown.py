"""`report.md`: for a pull-request comment or a job summary. Short; what is long is folded."""

from __future__ import annotations

from optimize.reports.beside import lines
from optimize.reports.grids import as_markdown, grids
from optimize.reports.model import Report
from optimize.reports.table import COLUMNS, measured_where, ranked
from optimize.store import State

SPECIAL = "\\`*_{}[]()#+-!|~"
"""What could begin a mark-up. CommonMark takes a backslash before any of them."""


def to_markdown(report: Report) -> str:
    verdict = report.winner or "no winner"
    parts = [f"## {escape(report.name)}: {escape(verdict)}", escape(report.sentence), "\n".join(_table(report))]
    if any(c.latency for c in report.candidates):
        parts.append(f"Measured: {escape(measured_where(report))}.")
    beside = lines(report)
    if beside:
        parts.append("\n".join(f"- {escape(line)}" for line in beside))
    parts += [f"> **Note:** {escape(warning)}." for warning in report.warnings]
    parts += [f"Bundle: {_code(bundle.path)}, sha256 {_code(bundle.digest)}" for bundle in report.emitted]
    parts += [_folded("Why each won or lost", _reasons(report)), _folded("Gates", _gates(report))]
    parts += [
        _folded(escape(grid.title), [escape(grid.about), "", *as_markdown(grid, escape)]) for grid in grids(report)
    ]
    parts += [_folded("Steps that did not end ok, and the commands that run them again", _again(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(report: Report) -> list[str]:
    lines = ["| " + " | ".join(column.title for column in COLUMNS) + " |"]
    lines += ["|" + "|".join("--:" if column.numeric else ":--" for column in COLUMNS) + "|"]
    for candidate in ranked(report):
        cells = [escape(column.cell(candidate)) for column in COLUMNS]
        if candidate.name == report.winner:
            cells[0] = f"**{cells[0]}**"
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _reasons(report: Report) -> list[str]:
    return [f"- **{escape(c.name)}**: {escape(c.reason)}" for c in ranked(report)]


def _gates(report: Report) -> list[str]:
    judged = [(c, gate) for c in ranked(report) for gate in c.gates]
    if not judged:
        return []
    rows = [
        f"| {escape(c.name)} | {escape(gate.detail)} | {'held' if gate.held else '**missed**'} |" for c, gate in judged
    ]
    return ["| candidate | gate | |", "|:--|:--|:--|", *rows]


def _again(report: Report) -> list[str]:
    ended = [step for step in report.steps if step.state != State.OK and step.reproduce]
    return [f"- {escape(step.name)} ({escape(step.state)}): {_code(step.reproduce)}" for step in ended]


def _folded(title: str, lines: list[str]) -> str:
    """GitHub and GitLab need the empty lines to read Markdown inside the element."""
    body = "\n".join(lines)
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>" if lines else ""


def escape(text: str) -> str:
    """No text ends a table or a line, opens a tag, mentions a person or starts a mark-up of its own."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = "".join(f"\\{c}" if c in SPECIAL else c for c in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")


def _code(text: str) -> str:
    """A code span that its own content cannot end."""
    text = " ".join(text.split())
    fence = "`"
    while fence in text:
        fence += "`"
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
