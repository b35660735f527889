"""Our side: `optimize run` on the pipeline file, and the winner it chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from optimize.benchmarks.studies.quantization.cases import BUDGET, Case
from optimize.benchmarks.studies.quantization.keeping import kept
from optimize.digests import digest_file
from optimize.execution.request import ArtifactReference
from optimize.execution.run import run
from optimize.versions import library_versions, tool_version

LIBRARIES = ("torch", "onnxruntime", "openvino", "nncf", "tensorflow-cpu", "ai-edge-litert", "transformers")


@dataclass(frozen=True)
class Ours:
    """`asked` says what the pipeline file asked for beyond the usual."""

    winner: str
    method: str
    artifact: ArtifactReference
    golden: str
    settings: Mapping[str, Any]
    """What its runtime is told."""
    candidates: Mapping[str, str]
    """Every candidate, with its latency, or how it ended."""
    asked: str = ""


def optimize(case: Case, model: Path, work: Path, again: bool) -> Ours:
    """By the case's own pipeline file. Raises SystemExit where no candidate wins."""
    found = _kept_run(case, case.pipeline(), model / "pipeline.yaml", work, again)
    if found is None:
        raise SystemExit(f"{case.name}: no candidate won; see {work / 'reports' / case.name / 'report.md'}")
    return found


def search(case: Case, bar: float, model: Path, work: Path, again: bool) -> Ours | None:
    """The fastest that drifts no more than `bar`, a cosine, allows; None where the search finds nothing."""
    found = _kept_run(case, case.searched(bar), model / "searched.yaml", work, again)
    return found and replace(found, asked=f"`quantization: auto`, a cosine of {bar:g}, `budget: {BUDGET}`")


def _kept_run(case: Case, pipeline: Mapping[str, Any], file: Path, work: Path, again: bool) -> Ours | None:
    """Kept for the same file, rows and versions, unless it is to be done `again`: a run measures for minutes."""
    file.write_text(yaml.safe_dump(dict(pipeline), sort_keys=False), encoding="utf-8")
    name = case.name if file.stem == "pipeline" else f"{case.name}-{file.stem}"
    kept_at = work / "ours" / f"{name}.json"
    if again:
        kept_at.unlink(missing_ok=True)
    content = [
        digest_file(file),
        digest_file(file.with_name("expected.npz")),
        tool_version(),
        library_versions(LIBRARIES),
    ]
    found = kept(kept_at, content, lambda: _run(file, work / "reports" / name, work / "store" / case.name))
    return Ours(**{**found, "artifact": ArtifactReference(**found["artifact"])}) if found else None


def _run(file: Path, reports: Path, store: Path) -> dict[str, Any] | None:
    """None where no candidate won."""
    result = run(file, overrides=[f"report={reports}"], until="measure", workdir=store)
    if result.winner is None:
        return None
    golden = next(step for step in result.steps if step.step.name == "golden")
    winner = next(c for c in result.report.candidates if c.name == result.winner)
    made = next(step for step in reversed(result.steps) if step.step.name == _artifact(winner.steps))
    artifact = ArtifactReference(str(made.made.files), winner.format, winner.quantization, golden.payload["signature"])
    candidates = {c.name: _words(c) for c in result.report.candidates}
    method = str(made.payload.get("method", ""))
    return asdict(Ours(winner.name, method, artifact, str(golden.made.files), winner.settings, candidates))


def _artifact(steps: Sequence[str]) -> str:
    """The step that made what a candidate runs: the last of its way that makes anything."""
    return [name for name in steps if name.startswith(("convert:", "quantize:"))][-1]


def _words(candidate: Any) -> str:
    latency = candidate.latency
    return f"{latency.p50_ms:.3g} ms" if latency and latency.p50_ms else f"{candidate.state}: {candidate.reason[:160]}"
