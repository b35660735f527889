"""What the plots need of the raw samples of latency: quantiles and medians by round, kilobytes instead of megabytes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from optimize.arrays import Array
from optimize.reports.figures import QUANTILES, LatencySamples
from optimize.store import write_whole

MOST_ROUNDS = 300
"""Points that one series may have in a plot; neighbouring rounds are put together beyond that."""


def distill(path: Path, cache: Path) -> dict[str, LatencySamples]:
    """By name of the candidate (the source's under `source`), from the measure step's `samples.npz`.

    The raw samples never change once they are published, so what was read from them is kept in `cache`. An unreadable
    file gives nothing: a report without these two plots is better than none.
    """
    try:
        kept = json.loads(cache.read_text(encoding="utf-8"))
        return {name: LatencySamples(**one) for name, one in kept.items()}
    except (OSError, ValueError, TypeError):
        pass
    try:
        found = read_samples(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}
    text = json.dumps({name: one.model_dump() for name, one in found.items()})
    write_whole(cache, text.encode("utf-8"))
    return found


def read_samples(path: Path) -> dict[str, LatencySamples]:
    with np.load(path, allow_pickle=False) as arrays:
        names = [str(name) for name in arrays["names"]]
        candidate, generation, number = (arrays[key] for key in ("candidate", "generation", "round"))
        at, milliseconds = arrays["at_ns"] / 1e9, arrays["ns"] / 1e6
    first = float(at.min()) if len(at) else 0.0
    found = {}
    for index, name in enumerate(names):
        own = candidate == index
        if own.any():
            found[name] = _series(generation[own], number[own], at[own] - first, milliseconds[own])
    return found


def _series(generation: Array, number: Array, at: Array, milliseconds: Array) -> LatencySamples:
    """Rows stand in the order in which they were measured: a round begins where generation or number changes."""
    begins = np.flatnonzero(np.diff(generation, prepend=-1) | np.diff(number, prepend=-1))
    medians = np.array([np.median(part) for part in np.split(milliseconds, begins[1:])])
    groups = _groups(generation[begins])
    return LatencySamples(
        quantiles_ms=[_short(v) for v in np.quantile(milliseconds, QUANTILES)],
        at_s=[round(float(at[begins[group[0]]]), 3) for group in groups],
        median_ms=[_short(np.median(medians[group])) for group in groups],
        generation=[int(generation[begins[group[0]]]) for group in groups],
    )


def _groups(generations: Array) -> list[Array]:
    """Indices of rounds that share a point: neighbours within one generation."""
    size = -(-len(generations) // MOST_ROUNDS)
    groups: list[Array] = []
    for value in np.unique(generations):
        rounds = np.flatnonzero(generations == value)
        groups += np.split(rounds, range(size, len(rounds), size))
    return groups


def _short(value: float) -> float:
    return float(f"{value:.5g}")
