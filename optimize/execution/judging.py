"""What is known of a candidate: the state by the steps that were run, then the figures of the measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from optimize.benchmarks.regression import judge_regression
from optimize.benchmarks.statistics import Ratio
from optimize.drift import judge
from optimize.execution.baseline import BASELINE
from optimize.execution.costing import Costing
from optimize.execution.events import StepResult
from optimize.execution.on_target import OnTarget
from optimize.execution.runner import Runner
from optimize.methods import AUTO
from optimize.plan import Candidate, Stage
from optimize.selection import Judged, check_gates
from optimize.store import State

DEFAULT_MARGIN = 0.02
"""For the verdict where a baseline is given and the file has no gate on it."""


def judge_candidate(runner: Runner, candidate: Candidate, until: Stage) -> Judged:
    """State by the steps that were run, and by the drift that the check found."""
    blank = Judged(candidate.name, State.UNSUPPORTED, candidate.reason, candidate.precision)
    if candidate.reason:
        return blank
    if candidate.quantization == AUTO and not candidate.method:
        return replace(blank, state=State.SKIPPED, reason=f"the run stopped at stage {until}, before the search")
    # Of the check; or of the step that made it, where the run stopped before.
    last = runner.results.get(candidate.check) or runner.results.get(candidate.artifact)
    if last is None:
        return replace(blank, state=State.SKIPPED, reason=f"the run stopped at stage {until}")
    state, reason = _state(runner, candidate, last)
    made = runner.results.get(candidate.artifact)
    size = made.entry.size_bytes if made and made.entry and made.state is State.OK else None
    return replace(blank, state=state, reason=reason, size_bytes=size, accuracy=last.payload.get("accuracy"))


def _state(runner: Runner, candidate: Candidate, last: StepResult) -> tuple[State, str]:
    if last.state is State.SKIPPED:
        # The candidate ends as the step that makes it did; skipped is what hangs on something shared.
        made = runner.results[candidate.artifact]
        return made.state, made.reason
    if last.state is not State.OK or last.step.stage is not Stage.CHECK:
        return last.state, last.reason
    tolerance = getattr(runner.file.pipeline.tolerances, candidate.precision)
    drifted = judge(last.payload["drift"], last.payload["problems"], tolerance)
    return (State.DRIFTED, drifted) if drifted else (State.OK, "")


def judge_on_target(judged: Judged, on_target: OnTarget | None) -> Judged:
    """What was right here, and is wrong as the target computes it, is drifted."""
    if on_target is None or not on_target.drifted:
        return judged
    return replace(judged, state=State.DRIFTED, reason=on_target.drifted)


def add_figures(runner: Runner, judged: Judged, measured: Mapping[str, Any], costing: Costing) -> Judged:
    """With what was measured of it, and with its gates."""
    figures = measured.get(judged.name, {})
    if "failure" in figures:
        return replace(judged, state=State.FAILED, reason=f"while it was measured: {figures['failure']}")
    judged = replace(
        judged, cold_start=figures.get("cold_start"), latency=figures.get("latency"),
        memory=_memory(figures.get("memory"), costing.target.workers), throughput=figures.get("throughput"),
        regression=_against_baseline(runner, figures.get("latency")),
    )  # fmt: skip
    judged = replace(judged, cost=costing.cost(judged))
    if judged.state is not State.OK:
        return judged
    return replace(judged, gates=check_gates(judged, runner.file.pipeline.gates))


def _memory(found: Mapping[str, Any] | None, workers: int) -> Mapping[str, Any] | None:
    """With what the target's workers would hold together: one for every vCPU, pages of files once for all."""
    if found is None:
        return None
    shared = found["shared_bytes"]
    return {**found, "workers": workers, "workers_bytes": workers * (found["peak_bytes"] - shared) + shared}


def _against_baseline(runner: Runner, latency: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The paired ratio to the baseline, and what the gate's margin makes of it."""
    found = (latency or {}).get("ratios", {}).get(BASELINE)
    if found is None:
        return None
    margin = runner.file.pipeline.gates.regression or DEFAULT_MARGIN
    noise = runner.results["measure"].payload["noise"]
    control = Ratio(noise["control"], *noise["control_ci"]) if noise["control"] else None
    verdict = judge_regression(Ratio(found["value"], *found["ci"]), margin, control)
    return {"ratio": found["value"], "ci": found["ci"], "margin": margin, "verdict": verdict}
