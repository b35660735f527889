"""`optimize verify`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="verify")
@click.argument("bundle", type=FILE)
@click.option(
    "--source", "sources", type=FILE, multiple=True, help="A file the bundle claims to come from; repeatable."
)
def command(bundle: Path, sources: tuple[Path, ...]) -> int:
    """Check BUNDLE against its own manifest: every file, the bill of materials, and where it says it comes from."""
    from optimize.bundles.verification import verify

    with tempfile.TemporaryDirectory(prefix="optimize-") as temporary:
        verdict = verify(bundle, Path(temporary) / "bundle", sources)
    for line in verdict.facts:
        click.echo(line)
    for problem in verdict.problems:
        click.echo(f"wrong: {problem}")
    click.echo("the bundle is as its manifest says" if not verdict.problems else f"{len(verdict.problems)} wrong")
    return 1 if verdict.problems else 0
