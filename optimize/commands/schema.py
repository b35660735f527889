"""`optimize schema`."""

from __future__ import annotations

import json

import click


@click.command(name="schema")
@click.argument("which", type=click.Choice(["pipeline", "report"]), default="pipeline")
def command(which: str) -> int:
    """Print the JSON Schema of the pipeline file, or of report.json."""
    from optimize.schemas import pipeline_schema, report_schema

    schema = pipeline_schema() if which == "pipeline" else report_schema()
    click.echo(json.dumps(schema, indent=2, sort_keys=True))
    return 0
