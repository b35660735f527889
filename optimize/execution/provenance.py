"""Where a bundle comes from: what its manifest says of the run that made it, with no time and no path of a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.benchmarks.targets import Target
from optimize.digests import digest_file, digest_folder
from optimize.execution.runner import Runner
from optimize.plan import Candidate
from optimize.selection import Judged
from optimize.versions import tool_version


def provenance_of(
    runner: Runner, target: Target, fidelity: str, candidate: Candidate, judged: Judged, reason: str
) -> dict[str, Any]:
    """The source by digests, the golden, the path to the candidate, what was measured, and why it was chosen."""
    pipeline, golden = runner.file.pipeline, runner.golden()
    check, made = runner.results[candidate.check], runner.results[candidate.artifact]
    return {
        "tool": tool_version(),
        "candidate": candidate.name,
        "converter": candidate.converter,
        "method": made.payload["method"],
        "versions": dict(made.record["versions"]),
        "source": {"kind": pipeline.source.kind, "golden_digest": golden.digest, "files": _source_digests(runner)},
        "golden": {key: golden.payload.get(key) for key in ("samples", "rows", "score")},
        "pipeline": pipeline.model_dump(mode="json", exclude={"bundle", "report"}),
        "drift": check.payload["drift"],
        "accuracy": check.payload.get("accuracy"),
        "chosen": {"objective": pipeline.objective, "reason": reason},
        "measurements": {
            "cold_start": judged.cold_start, "memory": judged.memory, "size_bytes": judged.size_bytes,
            "throughput": judged.throughput,
            "latency": {k: v for k, v in (judged.latency or {}).items() if k != "ratios"},
            "target": target.name, "fidelity": fidelity, "machine": machine_fingerprint(),
        },
    }  # fmt: skip


def _source_digests(runner: Runner) -> dict[str, dict[str, str]]:
    """By role, of every file that the source consists of, the code too."""
    content = runner.file.pipeline.source.content(runner.file.base)
    return {
        role: {name: digest for path in paths for name, digest in _digests(path).items()}
        for role, paths in content.items()
    }


def _digests(path: Path) -> dict[str, str]:
    return digest_folder(path) if path.is_dir() else {path.name: digest_file(path)}
