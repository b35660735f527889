"""What a worker is asked for in a round."""

from __future__ import annotations

SLICE_NS = 3e6
HANDSHAKE_NS = 20_000
"""What it costs to ask a worker for a slice, at most (benchmarks/studies/measuring.py)."""
COLD_CACHE_NS = 20e6
"""Caches of some megabytes are filled again in a few hundred microseconds."""


def visit(call_ns: float) -> str:
    """What a worker is asked in a round: caches are warmed by a call that is not timed, but for calls so long that this
    makes no difference to them."""
    return f"{'visit' if call_ns < COLD_CACHE_NS else 'slice'} {slice_calls(call_ns)}"


def visit_ns(call_ns: float) -> float:
    """What it takes, the call that is not timed included."""
    return slice_calls(call_ns) * call_ns + (call_ns if call_ns < COLD_CACHE_NS else 0.0)


def slice_calls(call_ns: float) -> int:
    """One where a call takes at least 20 times the handshake; of shorter ones as many as fit in 3 ms.

    Identical models seem to be 2 % apart in 8 % of trials with slices of 4 ms, and in 2 % with single calls.
    """
    return 1 if call_ns >= 20 * HANDSHAKE_NS else round(SLICE_NS / call_ns)
