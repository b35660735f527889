"""Spans of time as people write them."""

from __future__ import annotations

import re

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str | float) -> float:
    """`90s`, `10m`, `1.5h`, or a number of seconds; more than none. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smh]?)", str(text).strip())
    value = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not value:
        raise ValueError(f"{text!r} is no span of time to spend; write one such as 90s, 10m or 1.5h")
    return value


def in_words(value: float) -> str:
    if value < 10:
        return f"{value:.2g} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.1f} min"
