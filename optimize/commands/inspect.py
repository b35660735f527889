"""`optimize inspect`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from optimize.newcomers.looking import Seen


@click.command(name="inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def command(model: Path, as_json: bool) -> int:
    """Say what MODEL is: kind, signature, parameters, size, operators, and what can be made of it."""
    from optimize.newcomers.details import details
    from optimize.newcomers.looking import look
    from optimize.sources.base import sources

    seen = look(model)
    # What would run code on loading is told from its bytes alone.
    found = {} if seen.trust or seen.weights else details(seen.kind, seen.path)
    usable = seen.kind in sources()
    if as_json:
        _print_json(seen, found, usable)
    else:
        _print(seen, found)
        _print_paths(seen, usable)
    return 0


def _print(seen: Seen, found: Mapping[str, Any]) -> None:
    from optimize.reports.words import megabytes

    click.echo(f"{seen.path}: {seen.what}, {megabytes(seen.size_bytes)}")
    for fact in (*seen.facts, *found.get("facts", ())):
        click.echo(f"  {fact}")
    for side in ("inputs", "outputs"):
        for spec in found.get(side, ()):
            click.echo(f"  {side[:-1]:<7} {spec['name']}: {spec['dtype']}[{', '.join(map(str, spec['shape']))}]")
    if "parameters" in found:
        click.echo(f"  {found['parameters']:,} parameters")
    for what in ("operators", "layers"):
        if found.get(what):
            click.echo(f"  {what}: {', '.join(f'{name} ×{count}' for name, count in found[what].items())}")
    if "problem" in found:
        click.echo(f"  it could not be looked into: {found['problem']}")
    if seen.trust:
        click.echo(f"  loading it would execute {', '.join(seen.trust)}: it needs `trust: true` in the pipeline file")


def _print_paths(seen: Seen, usable: bool) -> None:
    from optimize.newcomers.paths import paths_from
    from optimize.sources.base import sources

    if not usable:
        click.echo(f"this release has no source of kind {seen.kind}; it has {', '.join(sources())}")
        return
    click.echo("what can be made of it:")
    for path in paths_from(seen.kind):
        click.echo(f"  {path.candidate:<22} {path.words}")


def _print_json(seen: Seen, found: Mapping[str, Any], usable: bool) -> None:
    import json

    from optimize.newcomers.paths import paths_from

    paths = {path.candidate: path.words for path in paths_from(seen.kind)} if usable else {}
    told = {
        "path": str(seen.path), "kind": seen.kind, "what": seen.what, "size_bytes": seen.size_bytes,
        "facts": list(seen.facts), "weights": seen.weights, "executes": list(seen.trust), "candidates": paths,
    }  # fmt: skip
    click.echo(json.dumps({**told, **found, "facts": [*seen.facts, *found.get("facts", ())]}, indent=2))
