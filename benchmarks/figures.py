"""From the raw samples of an experiment to the figures of each candidate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from optimize.arrays import Array
from optimize.benchmarks.design import Design, Samples
from optimize.benchmarks.noise import Evidence, judge_noise
from optimize.benchmarks.statistics import (
    RESAMPLES,
    Ratio,
    mean_interval,
    mean_of_medians,
    median_of_few,
    paired_ratio,
    percentile,
    summary,
)

PHASES = ("interpreter", "import", "read", "open", "first_run")
LOOK_RESAMPLES = 500


def report(design: Design, samples: Mapping[str, Samples], evidence: Evidence | None = None) -> dict[str, Any]:
    return {
        "reference": design.reference,
        "noise": noise(design, samples, evidence or Evidence()),
        "candidates": _with_ratios({name: _figures(design, samples, name) for name in design.names}, samples),
    }


def noise(design: Design, samples: Mapping[str, Samples], evidence: Evidence) -> dict[str, Any]:
    """The verdict on the machine; `control_of` names the candidate that was compared with itself."""
    one = samples[design.control]
    control = control_ratio(one) if not one.failure and any(len(rows) > 1 for rows in one.slices) else None
    shares = [_on_core(other) for other in samples.values() if not other.failure and any(other.slices)]
    judged = judge_noise(control, evidence.shares(), min(shares, default=1.0), design.half_width)
    switches = {"switches_per_s": switches_per_s(samples.values())}
    rounded: dict[str, Any] = _rounded({"control_of": design.control} | judged | switches)
    return rounded


def control_ratio(one: Samples) -> Ratio:
    """Of a candidate to itself, in neighbouring rounds; now the earlier is on top and now the later, so that a slow
    change of the machine cancels. No round visits it a second time for that: caches would be warmer for it than for the
    others, and it would seem to be 1 to 3 % faster than an equal one."""
    pairs = []
    for rounds in log_rounds(one):
        earlier, later = rounds[0 : len(rounds) // 2 * 2 : 2], rounds[1::2]
        if len(later):
            pairs.append((later - earlier) * np.where(np.arange(len(later)) % 2, -1.0, 1.0))
    return paired_ratio(pairs, LOOK_RESAMPLES)


def switches_per_s(samples: Iterable[Samples]) -> float | None:
    """Involuntary context switches in a second of slices; None where nothing was run to its end."""
    count = wall = 0.0
    for one in samples:
        if one.failure or len(one.ends) != len(one.starts):
            continue
        count += sum(end["switches"] - start["switches"] for start, end in zip(one.starts, one.ends, strict=True))
        wall += sum(sum(row["ns"]) for rows in one.slices for row in rows) / 1e9
    return count / wall if wall else None


def _on_core(one: Samples) -> float:
    """Share of its wall time that a candidate's threads had their cores; 1 where it has several, which may wait for
    each other."""
    if one.starts[0]["threads"] not in (None, 1):
        return 1.0
    shares = [row["cpu_ns"] / sum(row["ns"]) for rows in one.slices for row in rows]
    return min(1.0, float(np.median(shares)))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


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
        | _settling(one)
        | _cold_figures(one)
    )


def _settling(one: Samples) -> dict[str, Any]:
    """The calls after the first one by one, medians over the processes, and how long until one is within 10 % of what
    it comes to; null where none of those that were kept is."""
    curves = [warm["first_ns"] for warm in one.warmups]
    curve = np.median([curve[: min(map(len, curves))] for curve in curves], axis=0) if curves else np.array([])
    steady = float(np.median([warm["medians_ns"][-1] for warm in one.warmups])) if curves else 0.0
    reached = np.flatnonzero(curve <= 1.1 * steady)
    first = float(np.median([start["phases_ns"][-1] for start in one.starts]))
    until = float(curve[: reached[0]].sum()) / 1e9 if reached.size else None
    return summary({"steady_after_s": until}) | {"first_calls_ms": [float(f"{v / 1e6:.4g}") for v in (first, *curve)]}


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
    p50 = percentile(calls, 0.5)
    low, high = mean_interval([medians / 1e6 for medians in round_medians(one)])
    if p50 is not None:
        low, high = min(low, p50), max(high, p50)
    figures = summary(
        {
            "p50_ms": p50, "p90_ms": percentile(calls, 0.9), "p99_ms": percentile(calls, 0.99),
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
    return math.exp(mean_of_medians(differences(log_rounds(reference, figure), log_rounds(one, figure))))


def memory(one: Samples) -> dict[str, Any]:
    """The kernel's peak of the fresh process: after the first answer, and at its end."""
    by_phase = np.median([start["phases_bytes"] for start in one.starts], axis=0)
    return {
        "phases_bytes": dict(zip(PHASES[1:], map(int, by_phase), strict=True)),
        "loaded_bytes": int(np.median([start["peak_bytes"] for start in one.starts])),
        "peak_bytes": max(end["peak_bytes"] for end in one.ends),
        # Pages of files, which several processes hold once; 0 where the kernel does not say.
        "shared_bytes": min(end.get("shared_bytes") or 0 for end in one.ends),
    }


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
