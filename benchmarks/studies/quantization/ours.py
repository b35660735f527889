"""Our side: `optimize run` on the pipeline file, and the winner it chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from optimize.benchmarks.studies.quantization.cases import Case
from optimize.benchmarks.studies.quantization.keeping import kept
from optimize.digests import digest_file
from optimize.execution.request import ArtifactReference
from optimize.execution.run import run
from optimize.versions import library_versions, tool_version

LIBRARIES = ("torch", "onnxruntime", "openvino", "nncf", "tensorflow-cpu", "ai-edge-litert", "transformers")


@dataclass(frozen=True)
class Ours:
    winner: str
    method: str
    artifact: ArtifactReference
    golden: str
    settings: Mapping[str, Any]
    """What its runtime is told."""
    candidates: Mapping[str, str]
    """Every candidate, with its latency, or how it ended."""


def optimize(case: Case, model: Path, work: Path, again: bool) -> Ours:
    """Kept for the same file, rows and versions, unless it is to be done `again`: a run measures for minutes."""
    file = model / "pipeline.yaml"
    file.write_text(yaml.safe_dump(case.pipeline(), sort_keys=False), encoding="utf-8")
    kept_at = work / "ours" / f"{case.name}.json"
    if again:
        kept_at.unlink(missing_ok=True)
    content = [digest_file(file), digest_file(model / "expected.npz"), tool_version(), library_versions(LIBRARIES)]
    found = kept(kept_at, content, lambda: asdict(_run(case, file, work)))
    return Ours(**{**found, "artifact": ArtifactReference(**found["artifact"])})


def _run(case: Case, file: Path, work: Path) -> Ours:
    """Raises SystemExit where no candidate won."""
    reports = work / "reports" / case.name
    result = run(file, overrides=[f"report={reports}"], until="measure", workdir=work / "store" / case.name)
    if result.winner is None:
        raise SystemExit(f"{case.name}: no candidate won; see {reports / 'report.md'}")
    golden = next(step for step in result.steps if step.step.name == "golden")
    winner = next(c for c in result.report.candidates if c.name == result.winner)
    made = next(step for step in reversed(result.steps) if step.step.name == _artifact(winner.steps))
    artifact = ArtifactReference(str(made.made.files), winner.format, winner.quantization, golden.payload["signature"])
    candidates = {c.name: _words(c) for c in result.report.candidates}
    method = str(made.payload.get("method", ""))
    return Ours(winner.name, method, artifact, str(golden.made.files), winner.settings, candidates)


def _artifact(steps: Sequence[str]) -> str:
    """The step that made what a candidate runs: the last of its way that makes anything."""
    return [name for name in steps if name.startswith(("convert:", "quantize:"))][-1]


def _words(candidate: Any) -> str:
    latency = candidate.latency
    return f"{latency.p50_ms:.3g} ms" if latency and latency.p50_ms else f"{candidate.state}: {candidate.reason[:160]}"
