"""How long steps took in earlier runs, read off the records in the store: what a display says is left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from optimize.plan import Plan, Step

MOST_RECORDS = 400
"""A store that only grows must not make the start of a run slow; the newest are read."""
LATER = ("measure", "bundle", "boot")
"""Steps that come after the plan's own, and are not in it."""


def expected_seconds(plan: Plan, root: Path) -> dict[str, float]:
    """Step to the seconds it took when it was last carried out; else what its module took for others. A step of which
    nothing is known is left out. `root` is the store's folder of entries."""
    by_step: dict[tuple[str, str], float] = {}
    by_module: dict[tuple[str, str], list[float]] = {}
    for record in _newest(root):
        seconds, module = float(record["seconds"]), str(record["module"])
        by_step.setdefault((record["step"], module), seconds)
        by_module.setdefault((record["stage"], module), []).append(seconds)
    found = {name: by_step.get((name, step.module)) or _typical(step, by_module) for name, step in plan.steps.items()}
    found |= {name: by_step.get((name, "")) for name in LATER}
    return {name: seconds for name, seconds in found.items() if seconds}


def _typical(step: Step, by_module: Mapping[tuple[str, str], list[float]]) -> float | None:
    times = by_module.get((step.stage.value, step.module))
    return median(times) if times else None


def _newest(root: Path) -> Iterable[Mapping[str, Any]]:
    files = ((path.stat().st_mtime, path) for path in root.glob("*/*/record.json"))
    for _, path in sorted(files, reverse=True)[:MOST_RECORDS]:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # An estimate is not worth a failure; `Store.find` deals with a broken entry.
        if {"step", "stage", "module", "seconds"} <= record.keys():
            yield record
