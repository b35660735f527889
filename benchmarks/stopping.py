"""When enough was measured: of a generation, of all, and whether the budget can be enough at all."""

from __future__ import annotations

import math
from collections.abc import Mapping

from optimize.benchmarks.design import Design, Samples
from optimize.benchmarks.figures import LOOK_RESAMPLES, differences, log_rounds, ratio_to
from optimize.benchmarks.slices import slice_calls, visit_ns
from optimize.benchmarks.statistics import paired_ratio
from optimize.errors import UserError

BLOCK = 10
"""Rounds before the first look at the stopping rule; the next looks come after twice, four times as many. Looks are few
and fixed, so that they do not chase a lucky interval."""
MIN_ROUNDS = 30
MIN_GENERATIONS = 3


def another_generation(
    design: Design, done: int, samples: Mapping[str, Samples], taken_s: float, left_s: float
) -> bool:
    """Whether one is owed; or whether there is time for one more, and it could narrow an interval."""
    if done < design.processes:
        return True
    fits = left_s > 0 and taken_s * (done + 1) / done <= design.total_s
    return fits and not samples[design.reference].failure and not narrow_enough(design, done - 1, samples)


def settled(design: Design, generation: int, samples: Mapping[str, Samples]) -> bool:
    """Whether every median of this generation is known to half of what is asked for of all together; where generations
    are added, and no percentile asks for calls."""
    if not design.total_s or design.least_calls:
        return False
    reference = samples[design.reference]
    if len(reference.slices) <= generation:
        return False
    pairs = [
        differences(log_rounds(reference)[generation:], log_rounds(one)[generation:])
        for name, one in samples.items()
        if name != design.reference and not one.failure
    ]
    return all(paired_ratio(pair, LOOK_RESAMPLES).half_width <= design.half_width / 2 for pair in pairs)


def narrow_enough(design: Design, generation: int, samples: Mapping[str, Samples]) -> bool:
    if generation + 1 < MIN_GENERATIONS:
        return False
    reference = samples[design.reference]
    if reference.failure or sum(len(rows) for rows in reference.slices) < MIN_ROUNDS:
        return False
    others = [one for name, one in samples.items() if name != design.reference and not one.failure]
    if any(_calls(one) < design.least_calls for one in others):
        return False
    return all(ratio_to(reference, one, LOOK_RESAMPLES).half_width <= design.half_width for one in others)


def _calls(one: Samples) -> int:
    return sum(len(row["ns"]) for rows in one.slices for row in rows)


def check_enough(design: Design, calls_ns: Mapping[str, float]) -> None:
    """Raises UserError where the budget cannot give every candidate the calls that a gate on a percentile needs."""
    calls = {name: slice_calls(call_ns) for name, call_ns in calls_ns.items()}
    round_s = sum(visit_ns(call_ns) for call_ns in calls_ns.values()) / 1e9
    rounds = max(design.budget_s / round_s, BLOCK * design.processes)
    for name, count in calls.items():
        if name != design.reference and rounds * count < design.least_calls:
            enough = math.ceil(1.2 * round_s * design.least_calls / count)
            raise UserError(
                f"it needs {design.least_calls} calls of every candidate, and benchmark.budget_s of "
                f"{design.budget_s:g} is enough for about {rounds * count:.0f} of {name}, which takes "
                f"{calls_ns[name] / 1e6:.3g} ms a call; type -o benchmark.budget_s={enough}, or take the gate out",
                "gates.p99_ms",
            )
