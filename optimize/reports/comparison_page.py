"""A comparison as a page, with the plots of report.html over all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.errors import UserError
from optimize.reports.comparison import Comparison
from optimize.reports.comparison_text import ACROSS, WITHHELD
from optimize.reports.html import as_script_data, render
from optimize.reports.plots import plot_rows
from optimize.store import write_whole

TIMED = ("p50_ms", "p50_ms_ci", "cold_start_s", "cold_cache_s", "phases", "peak_mb", "loaded_mb", "samples")


def write_page(comparison: Comparison, path: Path) -> None:
    try:
        write_whole(path, to_page(comparison).encode("utf-8"))
    except OSError as error:
        raise UserError(f"--html {path} cannot be written: {error.strerror}; name another file") from error


def to_page(comparison: Comparison) -> str:
    warning = "" if not comparison.across_machines else ACROSS if comparison.times else WITHHELD
    return render(
        "compare.html", comparison=comparison, warning=warning, times=comparison.times,
        changed=[one for one in comparison.effects if one.differs and one.certain],
        data=as_script_data({"rows": _rows(comparison), "gates": {}}),
    )  # fmt: skip


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Coloured by run. Where times are withheld they are not in the page either."""
    rows = [row for run in comparison.runs for row in plot_rows(run.report, run.label)]
    hidden = {} if comparison.times else dict.fromkeys(TIMED)
    return [row | hidden | {"format": row["run"]} for row in rows]
