"""From the results of a run to the `Report` that every output is written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optimize import stages
from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.execution.events import StepResult
from optimize.execution.on_target import OnTarget
from optimize.execution.runner import Runner
from optimize.plan import Candidate, Plan, Stage
from optimize.reports.beside import (
    Extra,
    baseline_report,
    load_profile,
    measurement_warnings,
    target_report,
)
from optimize.reports.figures import LatencySamples
from optimize.reports.model import BundleReport, CandidateReport, Gate, Noise, Report, SourceReport, StepReport
from optimize.reports.samples import distill
from optimize.reports.searched import search_report
from optimize.reports.words import megabytes, speed
from optimize.selection import Choice, Judged
from optimize.store import State
from optimize.versions import tool_version

MOST_SIZES = 20


def build_report(
    runner: Runner,
    plan: Plan,
    extra: Extra,
    judged: Mapping[str, Judged],
    choice: Choice,
    measured: Mapping[str, Any],
    bundles: Sequence[BundleReport],
) -> Report:
    bundle = bundles[0] if bundles else None
    timed = _samples(runner)
    candidates = [_candidate(c, judged[c.name], choice, runner, plan, extra, timed) for c in plan.candidates]
    source = _source(runner, measured.get("source", {}), timed)
    failed = "" if bundle or plan.until is not Stage.BUNDLE else _bundle_failure(runner)
    return Report(
        tool_version=tool_version(),
        name=runner.file.pipeline.name,
        until=plan.until.value,
        winner=choice.winner,
        sentence=sentence(choice, candidates, source.size_bytes, plan, failed),
        exit_code=exit_code(plan, choice, judged, bundle),
        objective=runner.file.pipeline.objective,
        bundle=bundle,
        bundles=list(bundles),
        source=source,
        target=target_report(extra.near),
        machine=machine_fingerprint(),
        noise=_noise(runner),
        baseline=baseline_report(extra.baseline, measured),
        sizing=list(extra.sizing[:MOST_SIZES]),
        measured_at=_measured_at(runner),
        pipeline=runner.file.pipeline.model_dump(mode="json"),
        candidates=candidates,
        steps=[_step(result) for result in runner.results.values()],
        search=search_report(extra.searched) if extra.searched else None,
        warnings=_warnings(runner, measured, extra.on_target)
        + [f"{one.container}: {note}" for one in bundles for note in one.notes],
    )


def exit_code(plan: Plan, choice: Choice, judged: Mapping[str, Judged], bundle: BundleReport | None) -> int:
    if choice.undecided:
        return 4
    if plan.until is Stage.BUNDLE:
        return 0 if bundle else 1
    if plan.until is Stage.MEASURE:
        return 0 if choice.winner else 1
    return 0 if any(one.state in (State.OK, State.SKIPPED) for one in judged.values()) else 1


def sentence(
    choice: Choice, candidates: list[CandidateReport], source_bytes: int | None, plan: Plan, bundle_failure: str
) -> str:
    """The result as one would say it to a colleague."""
    if Stage.MEASURE.after(plan.until):
        return f"Stopped after stage {plan.until}, as asked; nothing was measured or chosen."
    if choice.undecided:
        return f"No verdict: {choice.undecided}."
    if choice.winner is None:
        return f"No candidate survived: {_losses(candidates)}."
    winner = next(c for c in candidates if c.name == choice.winner)
    text = f"{winner.name} {_facts(winner, source_bytes)}."
    return f"{text} It was not bundled: {bundle_failure}." if bundle_failure else text


def _losses(candidates: list[CandidateReport]) -> str:
    counts: dict[str, int] = {}
    for candidate in candidates:
        word = "gate not met" if candidate.state == State.OK else candidate.state
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _facts(winner: CandidateReport, source_bytes: int | None) -> str:
    facts = []
    if winner.latency and winner.latency.ratio:
        facts.append(f"is {speed(winner.latency.ratio.value, winner.latency.ratio.ci)} than the source")
    if winner.size_bytes is not None:
        facts.append(_size(winner.size_bytes, source_bytes))
    if winner.cold_start:
        facts.append(f"answers {winner.cold_start.total_s:.2f} s after its process starts")
    words = ", ".join(facts) or "is the winner"
    if not winner.accuracy:
        return words
    low, high = winner.accuracy.difference_ci
    return f"{words}; accuracy {winner.accuracy.difference:+.2%} [{low:+.2%}, {high:+.2%}]"


def _size(count: int, source_bytes: int | None) -> str:
    if not source_bytes or not count:
        return f"takes {megabytes(count)}"
    ratio = source_bytes / count
    if 0.95 < ratio < 1.05:
        return f"as large ({megabytes(count)})"
    times = f"{ratio:.1f}× smaller" if ratio > 1 else f"{1 / ratio:.1f}× larger"
    return f"{times} ({megabytes(count)})"


def _candidate(
    candidate: Candidate, judged: Judged, choice: Choice, runner: Runner, plan: Plan, extra: Extra,
    timed: Mapping[str, LatencySamples],
) -> CandidateReport:  # fmt: skip
    check = runner.results.get(candidate.check)
    made = runner.results.get(candidate.artifact)
    on_target = extra.on_target.get(candidate.name)
    reason = choice.reasons[candidate.name] if judged.state is State.OK else judged.reason
    return CandidateReport(
        name=candidate.name,
        format=candidate.format,
        quantization=candidate.quantization,
        precision=candidate.precision,
        state=judged.state.value,
        reason="; ".join(filter(None, (reason, candidate.remark))),
        converter=candidate.converter,
        method=str(made.payload.get("method", "")) if made else "",
        tried=list(candidate.tried),
        drift=check.payload.get("drift", {}) if check else {},
        accuracy=judged.accuracy,  # type: ignore[arg-type]
        cold_start=_cold_start(judged.cold_start, candidate.format),  # type: ignore[arg-type]
        latency=judged.latency,  # type: ignore[arg-type]
        samples=timed.get(candidate.name) if judged.latency else None,
        memory=judged.memory,  # type: ignore[arg-type]
        throughput=judged.throughput,  # type: ignore[arg-type]
        cost=judged.cost,  # type: ignore[arg-type]
        regression=judged.regression,  # type: ignore[arg-type]
        on_target=on_target.to_json() if on_target else None,  # type: ignore[arg-type]
        size_bytes=judged.size_bytes,
        fidelity=extra.near.fidelity,
        gates=[Gate(**vars_of(gate)) for gate in judged.gates],
        steps=_way(candidate, plan),
        settings=dict(candidate.settings),
    )


def _cold_start(figures: Mapping[str, Any] | None, format: str) -> dict[str, Any] | None:
    library = next(iter(stages.runtimes()[format].libraries), "its library")
    return {**figures, "profile": load_profile(figures, library)} if figures else None


def _noise(runner: Runner) -> Noise | None:
    measured = runner.results.get("measure")
    found = measured.payload.get("noise") if measured else None
    return Noise.model_validate(found) if found else None


def vars_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass with slots or without."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _way(candidate: Candidate, plan: Plan) -> list[str]:
    """Names of the steps that lead to the candidate, first to last."""
    way: list[str] = []
    todo = [name for name in (candidate.check or candidate.artifact,) if name in plan.steps]
    while todo:
        name = todo.pop()
        if name not in way:
            way.insert(0, name)
            todo.extend(plan.steps[name].needs)
    return sorted(way, key=list(plan.steps).index)


def _step(result: StepResult) -> StepReport:
    record = result.record
    return StepReport(
        name=result.step.name,
        stage=result.step.stage.value,
        needs=list(result.step.needs),
        state=result.state.value,
        reason=result.reason,
        method=str(result.payload.get("method", "")),
        notes=list(result.payload.get("notes", [])),
        seconds=record.get("seconds"),
        peak_bytes=record.get("peak_bytes"),
        cached=result.cached,
        versions=dict(record.get("versions", {})),
        log=result.log,
        reproduce=result.reproduce,
    )


def _source(runner: Runner, figures: Mapping[str, Any], timed: Mapping[str, LatencySamples]) -> SourceReport:
    golden = runner.golden()
    return SourceReport(
        kind=runner.file.pipeline.source.kind,
        signature=golden.payload["signature"],
        digest=golden.digest,
        size_bytes=_source_bytes(runner),
        samples=golden.payload["samples"],
        rows=golden.payload["rows"],
        score=golden.payload.get("score"),
        timed=timed.get("source"),
        cold_start=figures.get("cold_start"),
        latency=figures.get("latency"),
        memory=figures.get("memory"),
    )


def _source_bytes(runner: Runner) -> int | None:
    """Of the model's own files; code is not counted."""
    source, base = runner.file.pipeline.source, runner.file.base
    roles = source.content(base)
    return sum(_bytes_below(path) for role in source.paths() for path in roles.get(role, ())) or None


def _bytes_below(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def _samples(runner: Runner) -> Mapping[str, LatencySamples]:
    measure = runner.results.get("measure")
    if measure is None or measure.entry is None or measure.state is not State.OK:
        return {}
    kept = runner.store.root.parents[1] / "reports" / f"{measure.entry.digest}.json"
    return distill(measure.entry.files / "samples.npz", kept)


def _measured_at(runner: Runner) -> str | None:
    """The entry's own time: it was written when the measurement ended, and is never touched again."""
    measure = runner.results.get("measure")
    if measure is None or measure.entry is None:
        return None
    ended = datetime.fromtimestamp((measure.entry.path / "record.json").stat().st_mtime, UTC)
    return ended.isoformat(timespec="seconds")


def _warnings(runner: Runner, measured: Mapping[str, Any], on_target: Mapping[str, OnTarget]) -> list[str]:
    warnings = []
    if runner.results["golden"].payload["samples"] == "random":
        warnings.append("no data was given: drift was seen on random inputs, and accuracy was not measured")
    calibration = runner.file.pipeline.data.calibration
    if calibration and calibration.random:
        warnings.append("calibration is random: ranges were taken from drawn numbers, and accuracy was not calibrated")
    for name, one in on_target.items():
        if one.unknown:
            warnings.append(f"{name} was not checked for {runner.target.name}, which has no VNNI: {one.unknown}")
    noise = _noise(runner)
    if noise and noise.because:
        warnings.append(f"the machine was {noise.verdict} while it was measured: {'; '.join(noise.because)}")
    warnings += measurement_warnings(measured, runner.file.pipeline.benchmark)
    return warnings


def _bundle_failure(runner: Runner) -> str:
    for name, result in runner.results.items():
        if name.partition(":")[0] in ("boot", "bundle") and result.state is not State.OK:
            return f"{result.step.title} ended {result.state}: {result.reason}"
    return ""
