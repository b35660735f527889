"""Figures in words, the same wherever they are said."""

from __future__ import annotations


def speed(ratio: float, ci: tuple[float, float]) -> str:
    """A ratio of times as a factor: never without its interval."""
    if ratio <= 1:
        return f"{1 / ratio:.2f}× [{1 / ci[1]:.2f}, {1 / ci[0]:.2f}] faster"
    return f"{ratio:.2f}× [{ci[0]:.2f}, {ci[1]:.2f}] slower"


def megabytes(count: int) -> str:
    """Two figures that count, at least: 0.0031 MB, 0.31 MB, 3.14 MB, 314 MB."""
    return (
        f"{count / 1e6:.2g} MB" if count < 1e4 else f"{count / 1e6:.2f} MB" if count < 1e7 else f"{count / 1e6:.0f} MB"
    )


def folded(reason: str, most: int = 120) -> tuple[str, str]:
    """The clauses that stand there at once, at least the first, and those that are behind a fold: what a search has to
    say can be longer than a phone is high."""
    clauses = reason.split("; ")
    count = 1
    while count < len(clauses) and len("; ".join(clauses[: count + 1])) <= most:
        count += 1
    return "; ".join(clauses[:count]), "; ".join(clauses[count:])
