"""The experiment: cold starts, then interleaved rounds, over several generations of fresh processes.

A generation starts one process per candidate, one after the other in an order drawn from the seed, while nothing else
runs: each start is a cold-start sample. The processes are then held open, asleep in a read, and visited in rounds: in
each round every candidate runs one call, or a slice of 3 ms of short ones, again in an order drawn from the seed. Slow
changes of the machine so fall on all candidates alike, and ratios are taken within rounds.

Processes of one artifact differ by about 1 % from each other for as long as they live (1 to 2 % between generations,
0.2 to 0.5 % between the halves of one, on two virtual cores): more rounds do not narrow that, more generations do.
A generation therefore ends once it says about itself what it can, and the budget that is left goes to further ones.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from optimize.benchmarks.design import Design, Samples
from optimize.benchmarks.noise import Evidence, Read, read_counters
from optimize.benchmarks.slices import visit
from optimize.benchmarks.stopping import BLOCK, another_generation, check_enough, narrow_enough, settled
from optimize.benchmarks.subjects import Subject, SubjectFailed

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
    begun, left_s, generation = clock(), design.budget_s, 0
    while another_generation(design, generation, samples, clock() - begun, left_s):
        subjects = _start_all(generation, samples, start, rng)
        _warm_up(subjects, samples)
        before, since = counters(), clock()
        _rounds(design, generation, subjects, samples, rng, clock)
        left_s -= clock() - since
        if evidence is not None:
            evidence.add(before, counters(), _own_s(samples, generation))
        _close(subjects, samples)
        for name, one in samples.items():
            if len(one.slices) > generation:
                flush({"candidate": name, "generation": generation, "start": one.starts[-1], "slices": one.slices[-1]})
        generation += 1
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
            subject = start(name, len(samples[name].starts) + generation)
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
    """Blocks of rounds until the generation's share of the budget is spent, the intervals are narrow enough, or more
    rounds of this generation would not make them so."""
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
        if clock() >= deadline or narrow_enough(design, generation, samples) or settled(design, generation, samples):
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


def _close(subjects: dict[str, Subject], samples: Mapping[str, Samples]) -> None:
    for name in list(subjects):
        answer = _ask(name, "close", subjects, samples)
        if answer:
            samples[name].ends.append(answer)
            if not answer["same_answers"]:
                samples[name].failure = "gave other answers after it was timed than before"
            subjects[name].quit()
