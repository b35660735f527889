"""`optimize run`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from optimize.commands.options import pipeline_options


@click.command(name="run")
@pipeline_options
@click.option("--dry-run", is_flag=True, help="Print the plan and run nothing.")
@click.option(
    "--workdir", type=click.Path(path_type=Path), help="Where the store is kept; by default .optimize beside FILE."
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="An old model.tar.gz, or a model's file or folder, to measure again beside the candidates (gates.regression).",
)
@click.option(
    "--price", "prices", multiple=True, metavar="TYPE=DOLLARS", help="Of an hour, such as ml.c7i.large=0.2; repeatable."
)
@click.option("--quiet", "-q", is_flag=True, help="Only the sentence.")
@click.option("--verbose", "-v", is_flag=True, help="Also the steps' logs as they run, versions, what was stored.")
@click.option("--json", "as_json", is_flag=True, help="Print report.json and nothing else.")
def command(
    file: Path, overrides: tuple[str, ...], only: tuple[str, ...], until: str, dry_run: bool, workdir: Path | None,
    quiet: bool, verbose: bool, as_json: bool, baseline: Path | None, prices: tuple[str, ...],
) -> int:  # fmt: skip
    """Make every candidate of FILE, check it, measure it, choose, and bundle the winner."""
    from rich.console import Console

    from optimize.execution.run import prepare, run
    from optimize.plan import Stage
    from optimize.reports.terminal import print_report
    from optimize.reports.watching import TerminalWatcher

    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose ask for opposites; give one of them")
    if dry_run:
        from optimize.commands.plan import print_plan

        print_plan(prepare(file, overrides, only, Stage(until), prices))
        return 0
    # With --json the log of a verbose run goes to standard error: standard output is for the program that reads it.
    silent = quiet or (as_json and not verbose)
    watcher = TerminalWatcher(Console(stderr=as_json), quiet=silent, verbose=verbose)
    try:
        result = run(
            file, overrides=overrides, only=only, until=until, workdir=workdir, watcher=watcher, baseline=baseline,
            prices=prices,
        )  # fmt: skip
    finally:
        watcher.close()
    if as_json:
        sys.stdout.write(result.report.model_dump_json(indent=2) + "\n")
    elif quiet:
        click.echo(result.report.sentence)
    else:
        print_report(result.report, Console())
    return result.exit_code
