"""`optimize recommend`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from optimize.benchmarks.sizing import Fit
    from optimize.recommending import Recommendation

SHOWN = 12


@click.command(name="recommend")
@click.argument("path", type=click.Path(path_type=Path), default=Path("build"), metavar="RUN")
@click.option(
    "--price", "prices", multiple=True, metavar="TYPE=DOLLARS", help="Of an hour, such as ml.c7i.large=0.2; repeatable."
)
@click.option("--candidate", metavar="NAME", help="Another than the winner.")
@click.option("--all", "everything", is_flag=True, help=f"Print every type, not the first {SHOWN}.")
@click.option("--force", is_flag=True, help="Take figures that were measured on another machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the types as JSON and nothing else.")
def command(
    path: Path, prices: tuple[str, ...], candidate: str | None, everything: bool, force: bool, as_json: bool
) -> int:
    """Rank the instance types that hold what RUN chose, by cost. RUN is a report.json, its folder, or a bundle.

    Prices come from you: --price, or `prices:` in the pipeline file of the run. Where there is none, the smallest types
    stand first. Figures are this machine's, taken for every core of the type.
    """
    from rich.console import Console

    from optimize.benchmarks.sizing import check_prices, parse_prices
    from optimize.recommending import recommend
    from optimize.reports.read import read_report

    report = read_report(path)
    given = parse_prices(prices)
    check_prices(given)
    # Those of the run were checked there; it may have one for a profile of its own.
    together = {**(report.pipeline.get("prices") or {}), **given}
    found = recommend(report, together, candidate, force)
    if as_json:
        click.echo(_json(found))
    else:
        _print(found, Console(), everything)
    return 1 if found.missed or not found.types else 0


def _json(found: Recommendation) -> str:
    import json
    from dataclasses import asdict

    return json.dumps(
        {
            "candidate": found.candidate.name, "need": asdict(found.need), "gates": found.gates, "missed": found.missed,
            "elsewhere": found.elsewhere, "types": [asdict(one) for one in found.types],
        },
        indent=2,
    )  # fmt: skip


def _print(found: Recommendation, console: object, everything: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    need = found.need
    if found.elsewhere:
        console.print(f"ACROSS MACHINES: measured on {found.elsewhere}", highlight=False)
    rate = f"{need.per_core_per_s:.4g} requests/s a core" if need.per_core_per_s else "no throughput was measured"
    console.print(f"{found.candidate.name}: {need.peak_bytes / 1e6:.0f} MB a worker, {rate}", highlight=False)
    for gate in found.gates:
        console.print(f"  gate {gate} (as measured, on one core)", highlight=False)
    if found.missed or not found.types:
        console.print("no type holds it" if not found.types else "no type makes one call faster; see the gates")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("type", "vCPUs", "workers", "memory", "requests/s", "$/hour", "$/million", "fidelity"):
        table.add_column(title, justify="left" if title in ("type", "fidelity") else "right", no_wrap=True)
    shown = found.types if everything else found.types[:SHOWN]
    for one in shown:
        table.add_row(*_cells(one))
    console.print(table, highlight=False)
    if len(shown) < len(found.types):
        console.print(f"and {len(found.types) - len(shown)} more; --all prints them", highlight=False)


def _cells(one: Fit) -> tuple[str, ...]:
    def number(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    return (
        one.name, str(one.vcpus), str(one.workers), f"{one.memory_bytes / 2**30:.2f} GiB", number(one.per_s, ".4g"),
        number(one.usd_per_hour, ".4g"), number(one.usd_per_million, ".4g"), one.fidelity,
    )  # fmt: skip
