"""Text for a terminal that is not all ours: names and messages come out of models and logs."""

from __future__ import annotations

import click


def printable(text: str) -> str:
    """Without what would move the cursor, colour the line, ring the bell or turn its direction."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def say(text: str, err: bool = False) -> None:
    click.echo(printable(text), err=err)
