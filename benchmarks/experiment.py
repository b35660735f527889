"""The experiment: cold starts, then interleaved rounds, over several generations of fresh processes.

A generation starts one process per candidate, one after the other in an order drawn from the seed, while nothing else
runs: each start is a cold-start sample. The processes are then held open, asleep in a read, and visited in rounds: in
each round every candidate runs one slice of a few milliseconds, again in an order drawn from the seed. Slow changes of
the machine so fall on all candidates alike, and ratios are taken within rounds.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Array
from optimize.benchmarks.page_cache import evict
from optimize.benchmarks.statistics import (
    RESAMPLES,
    Ratio,
    median_interval,
    median_of_few,
    paired_ratio,
    percentile,
    summary,
)
from optimize.benchmarks.subjects import Subject, SubjectFailed, WorkerSubject
from optimize.digests import files_below
from optimize.execution.request import Request

PHASES = ("interpreter", "import", "read", "open", "first_run")
SLICE_NS = 3e6
BLOCK = 10
"""Rounds before the first look at the stopping rule; the next looks come after twice, four times as many. Looks are few
and fixed, so that they do not chase a lucky interval."""
LOOK_RESAMPLES = 500
MIN_ROUNDS = 30
MIN_GENERATIONS = 3


@dataclass(frozen=True)
class Design:
    """What is fixed before anything is measured."""

    names: tuple[str, ...]
    reference: str
    processes: int
    budget_s: float
    half_width: float
    seed: int
    cold: bool = False
    """Whether cold starts are also taken with the artifact's files out of the page cache."""


@dataclass
class Samples:
    """Raw samples of one candidate."""

    starts: list[Mapping[str, Any]] = field(default_factory=list)
    """Per generation: phases in nanoseconds, threads as read back, peak bytes."""
    slices: list[list[Mapping[str, Any]]] = field(default_factory=list)
    """Per generation, per round: `ns` of each call, `cpu_ns` of the slice, `at_ns` of its start."""
    warmups: list[Mapping[str, Any]] = field(default_factory=list)
    ends: list[Mapping[str, Any]] = field(default_factory=list)
    cold_starts: list[Mapping[str, Any]] = field(default_factory=list)
    """Starts with the artifact's files out of the page cache, verified."""
    failure: str = ""


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

    with flushed:
        samples = collect(design, start, lambda line: print(json.dumps(line), file=flushed, flush=True))
    if design.cold:
        collect_cold(design, samples, start, evict_artifact)
    save_raw(output / "samples.npz", samples)
    return report(design, samples)


def collect(
    design: Design,
    start: Start,
    flush: Callable[[Mapping[str, Any]], None],
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Samples]:
    """Carry out the design. A candidate that fails is left out of what follows; the others go on."""
    rng = random.Random(design.seed)
    samples = {name: Samples() for name in design.names}
    for generation in range(design.processes):
        subjects = _start_all(generation, samples, start, rng)
        _warm_up(subjects, samples)
        _rounds(design, generation, subjects, samples, rng, clock)
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
    calls = {name: slice_calls(samples[name].warmups[-1]["medians_ns"][-1]) for name in subjects}
    deadline = clock() + design.budget_s / design.processes
    look = done = 0
    while subjects:
        look, done = max(BLOCK, 2 * look), look
        for _ in range(look - done):
            if done and clock() >= deadline:
                return
            order = list(subjects)
            rng.shuffle(order)
            for name in order:
                answer = _ask(name, f"slice {calls[name]}", subjects, samples)
                if answer:
                    samples[name].slices[generation].append(answer)
        if clock() >= deadline or _narrow_enough(design, generation, samples):
            return


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


def round_medians(one: Samples) -> list[Array]:
    """Per generation: the median call of every round, in nanoseconds."""
    return [np.array([float(np.median(row["ns"])) for row in rows]) for rows in one.slices if rows]


def log_rounds(one: Samples, figure: str = "ns") -> list[Array]:
    """Per generation: the logarithm of every round's figure, which is `ns` (median wall time), `cpu_ns` or `min`."""
    return [np.log([_figure(row, figure) for row in rows]) for rows in one.slices]


def _figure(row: Mapping[str, Any], figure: str) -> float:
    if figure == "cpu_ns":
        return float(max(row["cpu_ns"], 1)) / len(row["ns"])
    return float(min(row["ns"]) if figure == "min" else np.median(row["ns"]))


def differences(reference: Sequence[Array], candidate: Sequence[Array]) -> list[Array]:
    """Candidate minus reference, paired by round, for the rounds that both have run."""
    paired = ((a, b, min(len(a), len(b))) for a, b in zip(reference, candidate, strict=False))
    return [b[:count] - a[:count] for a, b, count in paired if count]


def ratio_to(reference: Samples, candidate: Samples, resamples: int = RESAMPLES) -> Ratio:
    """Of latencies, candidate to reference."""
    return paired_ratio(differences(log_rounds(reference), log_rounds(candidate)), resamples)


def report(design: Design, samples: Mapping[str, Samples]) -> dict[str, Any]:
    return {
        "reference": design.reference,
        "candidates": _with_ratios({name: _figures(design, samples, name) for name in design.names}, samples),
    }


def _figures(design: Design, samples: Mapping[str, Samples], name: str) -> dict[str, Any]:
    one, reference = samples[name], samples[design.reference]
    if one.failure or not any(one.slices):
        return {"failure": one.failure or "no slice was run"}
    figures = {"cold_start": cold_start(one), "latency": latency(one), "memory": memory(one)}
    if not reference.failure:
        figures["latency"]["ratio"] = _ratio_figures(design, reference, one)
    return figures


def _with_ratios(figures: dict[str, Any], samples: Mapping[str, Samples]) -> dict[str, Any]:
    """Every pair once: the other way round is its mirror."""
    whole = [name for name, one in figures.items() if "failure" not in one]
    rounds = {name: log_rounds(samples[name]) for name in whole}
    for name in whole:
        figures[name]["latency"]["ratios"] = {}
    for index, one in enumerate(whole):
        for other in whole[:index]:
            ratio = paired_ratio(differences(rounds[other], rounds[one]), LOOK_RESAMPLES)
            figures[one]["latency"]["ratios"][other] = _short(ratio)
            figures[other]["latency"]["ratios"][one] = _short(Ratio(1 / ratio.value, 1 / ratio.high, 1 / ratio.low))
    return figures


def _short(ratio: Ratio) -> dict[str, Any]:
    return {"value": float(f"{ratio.value:.6g}"), "ci": [float(f"{ratio.low:.6g}"), float(f"{ratio.high:.6g}")]}


def cold_start(one: Samples) -> dict[str, Any]:
    """Medians over the processes, page cache warm: spawn to first answer, and its phases."""
    totals = [sum(start["phases_ns"]) / 1e9 for start in one.starts]
    total, interval = median_of_few(totals)
    phases = {
        f"{phase}_s": float(np.median([start["phases_ns"][i] / 1e9 for start in one.starts]))
        for i, phase in enumerate(PHASES)
    }
    return (
        summary({"total_s": total, **phases, "n": len(totals)})
        | {
            "total_s_ci": [round(v, 6) for v in interval],
            "samples_s": [round(v, 6) for v in totals],
            "page_cache": "warm",
        }
        | _cold_figures(one)
    )


def _cold_figures(one: Samples) -> dict[str, Any]:
    """The second figure, with the artifact's files read from the disk; null where none could be taken."""
    totals = [sum(start["phases_ns"]) / 1e9 for start in one.cold_starts]
    if not totals:
        return {"cold_cache_total_s": None, "cold_cache_total_s_ci": None}
    total, interval = median_of_few(totals)
    return {"cold_cache_total_s": round(total, 6), "cold_cache_total_s_ci": [round(v, 6) for v in interval]}


def latency(one: Samples) -> dict[str, Any]:
    """In-process calls at batch 1, the candidate alone on the cores it is pinned to, others asleep."""
    calls = np.concatenate([row["ns"] for rows in one.slices for row in rows]) / 1e6
    low, high = median_interval([medians / 1e6 for medians in round_medians(one)])
    figures = summary(
        {
            "p50_ms": percentile(calls, 0.5), "p90_ms": percentile(calls, 0.9), "p99_ms": percentile(calls, 0.99),
            "min_ms": float(calls.min()), "mean_ms": float(calls.mean()), "n": len(calls),
            "rounds": sum(len(rows) for rows in one.slices), "generations": len(one.slices),
        }
    )  # fmt: skip
    return figures | {"p50_ms_ci": [float(f"{low:.6g}"), float(f"{high:.6g}")], "threads": one.starts[0]["threads"]}


def _ratio_figures(design: Design, reference: Samples, one: Samples) -> dict[str, Any]:
    ratio = ratio_to(reference, one)
    verdict = "conclusive" if ratio.half_width <= design.half_width else "inconclusive"
    return summary(
        {
            "against": design.reference, "half_width": ratio.half_width,
            "verdict": verdict, "cpu": _estimate(reference, one, "cpu_ns"),
            "minima": _estimate(reference, one, "min"),
        }
    ) | _short(ratio)  # fmt: skip


def _estimate(reference: Samples, one: Samples, figure: str) -> float:
    """A ratio that stands beside the headline, without an interval of its own."""
    return math.exp(np.median(np.concatenate(differences(log_rounds(reference, figure), log_rounds(one, figure)))))


def memory(one: Samples) -> dict[str, Any]:
    """The kernel's peak of the fresh process: after the first answer, and at its end."""
    return {
        "loaded_bytes": int(np.median([start["peak_bytes"] for start in one.starts])),
        "peak_bytes": max(end["peak_bytes"] for end in one.ends),
    }


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
