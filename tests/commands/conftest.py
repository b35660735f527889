"""A report of a real run, to be read back by commands."""

from tests.reports.conftest import raw, report

__all__ = ["raw", "report"]
