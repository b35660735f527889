"""`report.html`: one file that opens offline."""

from __future__ import annotations

from functools import cache

from optimize.reports.model import Report
from optimize.reports.table import COLUMNS, measured_where, ranked


def to_html(report: Report) -> str:
    """Every value is escaped by the template engine."""
    text: str = _template().render(
        report=report, columns=COLUMNS, candidates=ranked(report), measured_where=measured_where(report)
    )
    return text


@cache
def _template():  # type: ignore[no-untyped-def]
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("optimize.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html")
