"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.argument("file", type=click.Path(path_type=Path), default=Path("pipeline.yaml"))
STAGES = ("golden", "convert", "quantize", "check", "measure", "bundle")


def pipeline_options(command: Command) -> Command:
    """FILE, -o, --only, --until."""
    for option in (
        click.option(
            "-o",
            "--override",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set a key of the file, such as gates.size_mb=10.",
        ),
        click.option("--only", multiple=True, metavar="CANDIDATE", help="Make only this candidate; may be repeated."),
        click.option("--until", type=click.Choice(STAGES), default="bundle", show_default=True, help="The last stage."),
        FILE,
    ):
        command = option(command)
    return command
