"""The experiment: cold starts, then interleaved rounds, over several generations of fresh processes.

A generation starts one process per candidate, one after the other in an order drawn from the seed, while nothing else
runs: each start is a cold-start sample. The processes are then held open, asleep in a read, and visited in rounds: in
each round every candidate runs one call, or a slice of 3 ms of short ones, again in an order drawn from the seed. Slow
changes of the machine so fall on all candidates alike, and ratios are taken within rounds.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from optimize.benchmarks.design import Design, Samples
from optimize.benchmarks.figures import LOOK_RESAMPLES, ratio_to
from optimize.benchmarks.noise import Evidence, Read, read_counters
from optimize.benchmarks.subjects import Subject, SubjectFailed
from optimize.errors import UserError

SLICE_NS = 3e6
HANDSHAKE_NS = 20_000
"""What it costs to ask a worker for a slice, at most (benchmarks/studies/measuring.py)."""
COLD_CACHE_NS = 20e6
"""Caches of some megabytes are filled again in a few hundred microseconds."""
BLOCK = 10
"""Rounds before the first look at the stopping rule; the next looks come after twice, four times as many. Looks are few
and fixed, so that they do not chase a lucky interval."""
MIN_ROUNDS = 30
MIN_GENERATIONS = 3


Start = Callable[[str, int], Subject]


def collect(
    design: Design,
    start: Start,
    flush: Callable[[Mapping[str, Any]], None],
    clock: Callable[[], float] = time.monotonic,
    evidence: Evidence | None = None,
    counters: Read = read_counters,
) -> dict[str, Samples]:
    """Carry out the design. A candidate that fails is left out of what follows; the others go on.

    What the machine did beside the rounds is added to `evidence`.
    """
    rng = random.Random(design.seed)
    samples = {name: Samples() for name in design.names}
    for generation in range(design.processes):
        subjects = _start_all(generation, samples, start, rng)
        _warm_up(subjects, samples)
        before = counters()
        _rounds(design, generation, subjects, samples, rng, clock)
        if evidence is not None:
            evidence.add(before, counters(), _own_s(samples, generation))
        _close(subjects, samples)
        for name, one in samples.items():
            if len(one.slices) > generation:
                flush({"candidate": name, "generation": generation, "start": one.starts[-1], "slices": one.slices[-1]})
    return samples


def collect_cold(design: Design, samples: Mapping[str, Samples], start: Start, evict: Callable[[str], bool]) -> None:
    """Starts with the page cache cold. One that could not be evicted, for sure, is not taken."""
    rng = random.Random(design.seed)
    for generation in range(design.processes):
        names = [name for name, one in samples.items() if not one.failure and name != design.reference]
        rng.shuffle(names)
        for name in names:
            if not evict(name):
                continue
            subject = start(name, design.processes + generation)
            samples[name].cold_starts.append(subject.opened)
            subject.quit()


def _start_all(generation: int, samples: Mapping[str, Samples], start: Start, rng: random.Random) -> dict[str, Subject]:
    names = [name for name, one in samples.items() if not one.failure]
    rng.shuffle(names)
    subjects = {}
    for name in names:
        try:
            subjects[name] = start(name, generation)
        except SubjectFailed as error:
            samples[name].failure = str(error)
            continue
        samples[name].starts.append(subjects[name].opened)
        samples[name].slices.append([])
    return subjects


def _ask(
    name: str, command: str, subjects: dict[str, Subject], samples: Mapping[str, Samples]
) -> dict[str, Any] | None:
    """None where the candidate has failed; it is dropped from `subjects`."""
    try:
        return subjects[name].ask(command)
    except SubjectFailed as error:
        samples[name].failure = str(error)
        del subjects[name]
        return None


def _warm_up(subjects: dict[str, Subject], samples: Mapping[str, Samples]) -> None:
    for name in list(subjects):
        answer = _ask(name, "warmup", subjects, samples)
        if answer:
            samples[name].warmups.append(answer)


def _rounds(
    design: Design, generation: int, subjects: dict[str, Subject], samples: Mapping[str, Samples], rng: random.Random,
    clock: Callable[[], float],
) -> None:  # fmt: skip
    """Blocks of rounds until the generation's share of the budget is spent, or the intervals are narrow enough."""
    calls_ns = {name: samples[name].warmups[-1]["medians_ns"][-1] for name in subjects}
    asked = {name: visit(call_ns) for name, call_ns in calls_ns.items()}
    if generation == 0:
        check_enough(design, calls_ns)
    deadline = clock() + design.budget_s / design.processes
    look = done = 0
    while subjects:
        look, done = max(BLOCK, 2 * look), look
        for _ in range(look - done):
            if done and clock() >= deadline:
                return
            _round(generation, subjects, samples, rng, asked)
        if clock() >= deadline or _narrow_enough(design, generation, samples):
            return


def _round(
    generation: int, subjects: dict[str, Subject], samples: Mapping[str, Samples], rng: random.Random,
    asked: Mapping[str, str],
) -> None:  # fmt: skip
    """One slice of every candidate, and of none a second: what is visited more often is found in warmer caches."""
    visits = list(subjects)
    rng.shuffle(visits)
    for name in visits:
        answer = _ask(name, asked[name], subjects, samples) if name in subjects else None
        if answer:
            samples[name].slices[generation].append(answer)


def _own_s(samples: Mapping[str, Samples], generation: int) -> float:
    """Processor time of all slices of a generation."""
    parts = [one.slices[generation] for one in samples.values() if len(one.slices) > generation]
    # With the call before a slice, which is not timed.
    return sum(float(row["cpu_ns"]) * (1 + 1 / len(row["ns"])) for rows in parts for row in rows) / 1e9


def visit(call_ns: float) -> str:
    """What a worker is asked in a round: caches are warmed by a call that is not timed, but for calls so long that this
    makes no difference to them."""
    return f"{'visit' if call_ns < COLD_CACHE_NS else 'slice'} {slice_calls(call_ns)}"


def slice_calls(call_ns: float) -> int:
    """One where a call takes at least 20 times the handshake; of shorter ones as many as fit in 3 ms.

    Identical models seem to be 2 % apart in 8 % of trials with slices of 4 ms, and in 2 % with single calls.
    """
    return 1 if call_ns >= 20 * HANDSHAKE_NS else round(SLICE_NS / call_ns)


def _narrow_enough(design: Design, generation: int, samples: Mapping[str, Samples]) -> bool:
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
    untimed = {name: call_ns if call_ns < COLD_CACHE_NS else 0.0 for name, call_ns in calls_ns.items()}
    round_s = sum(calls[name] * calls_ns[name] + untimed[name] for name in calls) / 1e9
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


def _close(subjects: dict[str, Subject], samples: Mapping[str, Samples]) -> None:
    for name in list(subjects):
        answer = _ask(name, "close", subjects, samples)
        if answer:
            samples[name].ends.append(answer)
            if not answer["same_answers"]:
                samples[name].failure = "gave other answers after it was timed than before"
            subjects[name].quit()
