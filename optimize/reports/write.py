"""Every report of a run, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from optimize.errors import UserError
from optimize.reports.html import to_html
from optimize.reports.junit import to_junit
from optimize.reports.markdown import to_markdown
from optimize.reports.measurements import to_csv
from optimize.reports.model import Report
from optimize.store import write_whole


def to_json(report: Report) -> str:
    return report.model_dump_json(indent=2) + "\n"


WRITERS: Mapping[str, Callable[[Report], str]] = {
    "report.json": to_json,
    "report.md": to_markdown,
    "report.html": to_html,
    "junit.xml": to_junit,
    "measurements.csv": to_csv,
}
"""File to what makes its text."""


def write_reports(report: Report, folder: Path) -> tuple[Path, ...]:
    """All but Parquet, whose library not everybody has."""
    paths = []
    for name, writer in WRITERS.items():
        path = folder / name
        write_file(path, writer(report).encode("utf-8"))
        paths.append(path)
    return tuple(paths)


def need_folder(folder: Path) -> None:
    """Raises UserError where the reports could not be written, before an hour of measuring and not after it."""
    standing = next(path for path in (folder, *folder.parents) if path.exists())
    if not standing.is_dir() or not os.access(standing, os.W_OK):
        why = "is not a folder" if not standing.is_dir() else "cannot be written"
        raise UserError(f"report: {folder}: {standing} {why}; name another folder with -o report=DIR")


def write_file(path: Path, data: bytes) -> None:
    """Left alone where it says the same already. Raises UserError where it cannot be written."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        write_whole(path, data)
    except OSError as error:
        raise UserError(
            f"report: {path} cannot be written: {error.strerror}; name another folder with -o report=DIR"
        ) from error
