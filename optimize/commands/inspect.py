"""`optimize inspect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optimize.printing import say

if TYPE_CHECKING:
    from optimize.newcomers.looking import Seen
    from optimize.newcomers.paths import Way


@click.command(name="inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def command(model: Path, as_json: bool) -> int:
    """Say what MODEL is: kind, signature, parameters, size, operators, and what can be made of it."""
    from optimize.newcomers.details import details
    from optimize.newcomers.foreseeing import refusals
    from optimize.newcomers.looking import look
    from optimize.newcomers.paths import paths_from
    from optimize.sources.base import sources

    seen = look(model)
    # What would run code on loading is told from its bytes alone.
    found = {} if seen.trust or seen.weights else details(seen.kind, seen.path)
    ways = paths_from(seen.kind) if seen.kind in sources() else ()
    # What cannot be looked into by its own library cannot be converted either, and says so already.
    refused = {} if not found or "problem" in found else refusals(seen.kind, seen.path, found, ways)
    if as_json:
        _print_json(seen, found, ways, refused)
    else:
        _print(seen, found)
        _print_paths(seen, ways, refused)
    return 0


def _print(seen: Seen, found: Mapping[str, Any]) -> None:
    from optimize.reports.words import megabytes

    say(f"{seen.path}: {seen.what}, {megabytes(seen.size_bytes)}")
    for fact in (*seen.facts, *found.get("facts", ())):
        say(f"  {fact}")
    for side in ("inputs", "outputs"):
        for spec in found.get(side, ()):
            say(f"  {side[:-1]:<7} {spec['name']}: {spec['dtype']}[{', '.join(map(str, spec['shape']))}]")
    if "parameters" in found:
        say(f"  {found['parameters']:,} parameters")
    for what in ("operators", "layers"):
        if found.get(what):
            say(f"  {what}: {', '.join(f'{name} ×{count}' for name, count in found[what].items())}")
    if "problem" in found:
        say(f"  it could not be looked into: {found['problem']}")
    if seen.trust:
        say(f"  loading it would execute {', '.join(seen.trust)}: it needs `trust: true` in the pipeline file")


def _print_paths(seen: Seen, ways: Sequence[Way], refused: Mapping[str, str]) -> None:
    from optimize.sources.base import sources

    if not ways:
        say(f"this release has no source of kind {seen.kind}; it has {', '.join(sources())}")
        return
    say("what can be made of it:")
    reached = {way.format for way in ways if way.stages}
    for way in (way for way in ways if way.format in reached):
        doubt = [name for name in way.stages if name in refused]
        say(f"  {way.candidate:<24} {way.words}{f'; {doubt[0]} refuses it' if doubt else ''}")
    others = dict.fromkeys(way.format for way in ways if way.format not in reached)
    if others:
        say(f"  no converter leads to {', '.join(others)}")
    for name, reason in refused.items():
        say(f"{name} refuses this model: {reason}")


def _print_json(seen: Seen, found: Mapping[str, Any], ways: Sequence[Way], refused: Mapping[str, str]) -> None:
    import json

    paths = {path.candidate: path.words for path in ways}
    told = {
        "path": str(seen.path), "kind": seen.kind, "what": seen.what, "size_bytes": seen.size_bytes,
        "facts": list(seen.facts), "weights": seen.weights, "executes": list(seen.trust), "candidates": paths,
        "refusals": refused,
    }  # fmt: skip
    click.echo(json.dumps({**told, **found, "facts": [*seen.facts, *found.get("facts", ())]}, indent=2))
