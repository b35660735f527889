"""The experiment: cold starts, then interleaved rounds, over several generations of fresh processes.

A generation starts one process per candidate, one after the other in an order drawn from the seed, while nothing else
runs: each start is a cold-start sample. The processes are then held open, asleep in a read, and visited in rounds: in
each round every candidate runs one slice of a few milliseconds, again in an order drawn from the seed. Slow changes of
the machine so fall on all candidates alike, and ratios are taken within rounds.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimize.benchmarks.design import Design, Samples
from optimize.benchmarks.figures import LOOK_RESAMPLES, ratio_to, report
from optimize.benchmarks.noise import Evidence, Read, read_counters
from optimize.benchmarks.page_cache import evict
from optimize.benchmarks.subjects import Subject, SubjectFailed, WorkerSubject
from optimize.digests import files_below
from optimize.execution.request import Request

SLICE_NS = 3e6
BLOCK = 10
"""Rounds before the first look at the stopping rule; the next looks come after twice, four times as many. Looks are few
and fixed, so that they do not chase a lucky interval."""
MIN_ROUNDS = 30
MIN_GENERATIONS = 3


Start = Callable[[str, int], Subject]


def run_experiment(request: Request, output: Path) -> dict[str, Any]:
    """The body of the `measure` step: payload by candidate; raw samples beside it."""
    wanted = request.parameters
    design = Design(
        tuple(request.artifacts), wanted["reference"], wanted["processes"], wanted["budget_s"], wanted["half_width"],
        wanted["seed"], wanted["cold"],
    )  # fmt: skip

    def start(name: str, generation: int) -> Subject:
        reference = request.artifacts[name]
        asked = {
            "artifact": {
                "path": reference.path, "format": reference.format, "quantization": reference.quantization,
                "signature": reference.signature, "options": reference.options,
            },
            "module": wanted["runtimes"][name], "threads": wanted["threads"], "cpus": wanted["cpus"],
            "rotation": str(Path(request.golden) / "rotation.npz"),
        }  # fmt: skip
        return WorkerSubject(asked, output.parent / "processes", f"{name}-{generation}")

    flushed = (output / "processes.jsonl").open("w", encoding="utf-8")

    def evict_artifact(name: str) -> bool:
        return evict(files_below(Path(request.artifacts[name].path)))

    evidence = Evidence()
    with flushed:
        samples = collect(
            design, start, lambda line: print(json.dumps(line), file=flushed, flush=True), evidence=evidence
        )
    if design.cold:
        collect_cold(design, samples, start, evict_artifact)
    save_raw(output / "samples.npz", samples)
    return report(design, samples, evidence)


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
        samples[name].control.append([])
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
    calls = {name: slice_calls(samples[name].warmups[-1]["medians_ns"][-1]) for name in subjects}
    deadline = clock() + design.budget_s / design.processes
    look = done = 0
    while subjects:
        look, done = max(BLOCK, 2 * look), look
        for _ in range(look - done):
            if done and clock() >= deadline:
                return
            _round(design, generation, subjects, samples, rng, calls)
        if clock() >= deadline or _narrow_enough(design, generation, samples):
            return


def _round(
    design: Design, generation: int, subjects: dict[str, Subject], samples: Mapping[str, Samples], rng: random.Random,
    calls: Mapping[str, int],
) -> None:  # fmt: skip
    """One slice of every candidate, and a second of the control."""
    visits = [*((name, False) for name in subjects), *((name, True) for name in subjects if name == design.control)]
    rng.shuffle(visits)
    for name, again in visits:
        answer = _ask(name, f"slice {calls[name]}", subjects, samples) if name in subjects else None
        if answer:
            (samples[name].control if again else samples[name].slices)[generation].append(answer)


def _own_s(samples: Mapping[str, Samples], generation: int) -> float:
    """Processor time of all slices of a generation."""
    parts = [
        rows[generation] for one in samples.values() for rows in (one.slices, one.control) if len(rows) > generation
    ]
    return sum(float(row["cpu_ns"]) for rows in parts for row in rows) / 1e9


def slice_calls(call_ns: float) -> int:
    """Calls in one slice: as many as fit in 3 ms, and one where a call takes longer."""
    return max(1, round(SLICE_NS / call_ns))


def _narrow_enough(design: Design, generation: int, samples: Mapping[str, Samples]) -> bool:
    if generation + 1 < MIN_GENERATIONS:
        return False
    reference = samples[design.reference]
    if reference.failure or sum(len(rows) for rows in reference.slices) < MIN_ROUNDS:
        return False
    others = [one for name, one in samples.items() if name != design.reference and not one.failure]
    return all(ratio_to(reference, one, LOOK_RESAMPLES).half_width <= design.half_width for one in others)


def _close(subjects: dict[str, Subject], samples: Mapping[str, Samples]) -> None:
    for name in list(subjects):
        answer = _ask(name, "close", subjects, samples)
        if answer:
            samples[name].ends.append(answer)
            if not answer["same_answers"]:
                samples[name].failure = "gave other answers after it was timed than before"
            subjects[name].quit()


def save_raw(path: Path, samples: Mapping[str, Samples]) -> None:
    """Every call, with candidate, generation, round and the time stamp of its slice, as columns."""
    columns: dict[str, list[Any]] = {"candidate": [], "generation": [], "round": [], "at_ns": [], "ns": []}
    for index, one in enumerate(samples.values()):
        for generation, rows in enumerate(one.slices):
            for number, row in enumerate(rows):
                count = len(row["ns"])
                columns["candidate"] += [index] * count
                columns["generation"] += [generation] * count
                columns["round"] += [number] * count
                columns["at_ns"] += [row["at_ns"]] * count
                columns["ns"] += row["ns"]
    arrays = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    np.savez_compressed(path, names=np.array(list(samples)), **arrays)  # type: ignore[arg-type]
