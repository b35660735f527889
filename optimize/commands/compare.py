"""`optimize compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from optimize.reports.comparison import Comparison


@click.command(name="compare")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="A B [C...]")
@click.option(
    "--force", is_flag=True, help="Compare times across machines, and runs of different models, all the same."
)
@click.option("--all", "everything", is_flag=True, help="Print what did not change, too.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write a page with the plots.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON and nothing else.")
def command(paths: tuple[Path, ...], force: bool, everything: bool, html: Path | None, as_json: bool) -> int:
    """Say what differs between runs and what it did; each is a report.json, the folder of a run, or a bundle.

    The first is what the others are held against. Times are compared on one machine only, unless --force.
    """
    from rich.console import Console

    from optimize.reports.comparison import compare
    from optimize.reports.comparison_page import write_page
    from optimize.reports.comparison_text import print_comparison
    from optimize.reports.read import read_report

    if not 2 <= len(paths) <= 26:
        raise click.UsageError("give two runs or more, such as: optimize compare before/build after/build")
    comparison = compare([(str(path), read_report(path)) for path in paths], force)
    if html:
        write_page(comparison, html)
    if as_json:
        click.echo(_json(comparison))
    else:
        print_comparison(comparison, Console(), everything)
    return 0


def _json(comparison: Comparison) -> str:
    import json
    from dataclasses import asdict

    return json.dumps(
        {
            "runs": [
                {"label": run.label, "given": run.given, "name": run.report.name, "winner": run.report.winner}
                for run in comparison.runs
            ],
            "across_machines": comparison.across_machines,
            "differences": [asdict(one) for one in comparison.differences],
            "effects": [asdict(one) for one in comparison.effects],
        },
        indent=2,
    )
