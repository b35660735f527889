"""How far an artifact is from the source on the held-out rows, in a process of its own:
`python -m optimize.benchmarks.studies.quantization.judging REQUEST`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import load_arrays
from optimize.benchmarks.studies.quantization.keeping import kept
from optimize.digests import digest_files
from optimize.drift import DriftMeter
from optimize.execution.request import ArtifactReference
from optimize.execution.steps import open_session
from optimize.stages import RuntimeSettings, runtimes


def runtime_module(made_format: str) -> str:
    return str(runtimes()[made_format].__name__)  # type: ignore[attr-defined]


def judge(
    artifact: ArtifactReference, model: Path, folder: Path, settings: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """`cosine`, the least of all outputs; or `failure`. `settings` are what its runtime is told. Kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = digest_files([model / "heldout.npz", model / "expected.npz"])
    judged: Mapping[str, Any] = kept(
        folder / "judged.json", [artifact.path, rows, *([dict(settings)] if settings else [])],
        lambda: _judge(artifact, model, folder / "judge.json", settings or {}),
    )  # fmt: skip
    return judged


def _judge(artifact: ArtifactReference, model: Path, request: Path, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    module = runtime_module(artifact.format)
    asked = {"artifact": asdict(artifact), "module": module, "model": str(model), "settings": dict(settings)}
    request.write_text(json.dumps(asked), encoding="utf-8")
    command = [sys.executable, "-m", "optimize.benchmarks.studies.quantization.judging", str(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"failure": lines[-1][:300] if lines else f"exit status {done.returncode}"}
    judged: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return judged


def main(request: Path) -> None:
    asked = json.loads(request.read_text(encoding="utf-8"))
    settings = RuntimeSettings.told(asked["settings"], 1)
    session = open_session(asked["module"], ArtifactReference(**asked["artifact"]).open(), settings)
    rows, expected = (load_arrays(Path(asked["model"]) / f"{name}.npz") for name in ("heldout", "expected"))
    meter = DriftMeter()
    for i in range(len(next(iter(rows.values())))):
        answer = session.run({name: np.ascontiguousarray(array[i : i + 1]) for name, array in rows.items()})
        meter.add({name: array[i : i + 1] for name, array in expected.items()}, answer, f"row {i}")
    if meter.problems:
        print(json.dumps({"failure": "; ".join(meter.problems[:2])}))
        return
    print(json.dumps({"cosine": min(output["cosine"] or 0.0 for output in meter.figures().values())}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
