"""`optimize check`."""

from __future__ import annotations

from pathlib import Path

import click

from optimize.errors import UserError


@click.command(name="check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def command(files: tuple[Path, ...]) -> int:
    """Validate pipeline files, running nothing: as a pre-commit hook does. FILES default to pipeline.yaml."""
    problems = []
    for file in files or (Path("pipeline.yaml"),):
        try:
            click.echo(f"{file}: {_check(file)}")
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
    return 0


def _check(path: Path) -> str:
    """What it would make, in words. The machine plays no part: the hook must say the same everywhere."""
    from optimize.execution.targeting import resolve_target
    from optimize.pipeline.loading import load
    from optimize.plan import make_plan

    file = load(path)
    try:
        resolve_target(file.pipeline.target)
        plan = make_plan(file.pipeline)
    except UserError as error:
        raise (file.located(error) if error.key else error) from error
    without = sum(bool(candidate.reason) for candidate in plan.candidates)
    made = len(plan.candidates) - without
    return f"ok, {made} candidates" + (f", {without} more that cannot be made or served" if without else "")
