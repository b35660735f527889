"""`optimize plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimize.commands.options import pipeline_options

if TYPE_CHECKING:
    from optimize.execution.run import Prepared


@click.command(name="plan")
@pipeline_options
def command(file: Path, overrides: tuple[str, ...], only: tuple[str, ...], until: str) -> int:
    """Print the steps that `run` would carry out, and the candidates they lead to."""
    from optimize.execution.run import prepare
    from optimize.plan import Stage

    print_plan(prepare(file, overrides, only, Stage(until)))
    return 0


def print_plan(prepared: Prepared) -> None:
    plan, target, near = prepared.plan, prepared.near.target, prepared.near
    click.echo(f"target {target.name}: {target.vcpus} vCPUs, {near.threads} thread(s), fidelity here: {near.fidelity}")
    for words, parts in (("applied here", near.emulation.applied), ("not applied", near.emulation.not_applied)):
        if parts:
            click.echo(f"  {words}: {'; '.join(parts)}")
    click.echo("steps:")
    for step in plan.steps.values():
        needs = f"  after {', '.join(step.needs)}" if step.needs else ""
        click.echo(f"  {step.name:<32} {step.module}{needs}")
    click.echo("candidates:")
    for candidate in plan.candidates:
        searched = ", ".join(route.step.makes[1] for route in candidate.routes)
        way = f"{candidate.converter}, then a search over {searched}" if searched else candidate.converter
        click.echo(f"  {candidate.name:<22} {way or f'unsupported: {candidate.reason}'}")
