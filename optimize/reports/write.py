"""Every report of a run, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from optimize.errors import UserError
from optimize.reports.html import to_html
from optimize.reports.markdown import to_markdown
from optimize.reports.model import Report
from optimize.store import write_whole


def write_reports(report: Report, folder: Path) -> tuple[Path, ...]:
    texts = {
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.md": to_markdown(report),
        "report.html": to_html(report),
    }
    paths = []
    for name, text in texts.items():
        path = folder / name
        try:
            write_whole(path, text.encode("utf-8"))
        except OSError as error:
            raise UserError(
                f"report: {path} cannot be written: {error.strerror}; name another folder with -o report=DIR"
            ) from error
        paths.append(path)
    return tuple(paths)
