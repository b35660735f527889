"""A run's reports logged to an MLflow server: `python -m optimize.reports.tracking FOLDER URI`.

One MLflow run for the whole, in the experiment of the pipeline's name, with the winner's figures, the pipeline's keys
as parameters and the reports as artifacts; below it one run per candidate. MLflow is a large library, so it is loaded
in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optimize.errors import OptimizeError, ToolError, UserError
from optimize.reports.comparison import flat
from optimize.reports.model import CandidateReport, Report
from optimize.reports.read import read_report

LIMIT_S = 300
SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""MLflow from 3.2 on tells its makers of every run, and waits for them where there is no way out."""
MOST_PARAMETERS = 100
"""In one call; https://mlflow.org/docs/latest/rest-api.html#log-batch."""
LONGEST = 500
"""Characters of a parameter that every store of MLflow takes."""


def log_reports(folder: Path, uri: str) -> str:
    """The id of the MLflow run. Raises ToolError where the server does not take it; the reports stand either way."""
    command = [sys.executable, "-m", "optimize.reports.tracking", str(folder), uri]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, env=os.environ | SILENT, check=False
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{uri} did not take the reports within {LIMIT_S} s; {_again(folder, uri)}") from None
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise ToolError(f"the reports were not logged to {uri}: {last}; {_again(folder, uri)}")
    return ended.stdout.strip().splitlines()[-1]


def _again(folder: Path, uri: str) -> str:
    return f"they stand in {folder}; to try again: python -m optimize.reports.tracking {folder} {uri}"


def log_here(folder: Path, uri: str) -> str:
    report = read_report(folder)
    client = _client(uri)
    experiment = client.get_experiment_by_name(report.name)
    identity = experiment.experiment_id if experiment else client.create_experiment(report.name)
    run = client.create_run(identity, run_name=report.winner or "no winner", tags=_tags(report)).info.run_id
    _log(client, run, flat(report.pipeline), _winner_figures(report))
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".md", ".html", ".xml", ".csv", ".parquet"):
            client.log_artifact(run, str(path))
    for candidate in report.candidates:
        tags = {"mlflow.parentRunId": run, "state": candidate.state, "reason": candidate.reason}
        child = client.create_run(identity, run_name=candidate.name, tags=tags).info.run_id
        _log(client, child, _parameters(candidate), dict(figures(candidate)))
        client.set_terminated(child, "FINISHED" if candidate.state == "ok" else "FAILED")
    client.set_terminated(run, "FAILED" if report.exit_code else "FINISHED")
    return str(run)


def _client(uri: str) -> Any:
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise UserError("mlflow is not installed; type: pip install 'optimize-pipeline[mlflow]'") from None
    return MlflowClient(tracking_uri=uri)


def _tags(report: Report) -> dict[str, str]:
    return {
        "winner": report.winner or "", "sentence": report.sentence, "objective": report.objective,
        "fidelity": report.target.fidelity, "golden": report.source.digest, "optimize": report.tool_version,
    }  # fmt: skip


def _log(client: Any, run: str, parameters: Mapping[str, str], metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric, Param

    said = [Param(key, value[:LONGEST]) for key, value in parameters.items()]
    for start in range(MOST_PARAMETERS, len(said), MOST_PARAMETERS):
        client.log_batch(run, params=said[start : start + MOST_PARAMETERS])
    measured = [Metric(key, value, 0, 0) for key, value in metrics.items()]
    client.log_batch(run, metrics=measured, params=said[:MOST_PARAMETERS])


def _parameters(candidate: CandidateReport) -> dict[str, str]:
    return {
        "format": candidate.format, "quantization": candidate.quantization, "precision": candidate.precision,
        "converter": candidate.converter, "method": candidate.method,
    }  # fmt: skip


def _winner_figures(report: Report) -> dict[str, float]:
    winner = next((c for c in report.candidates if c.name == report.winner), None)
    return dict(figures(winner)) if winner else {}


def figures(candidate: CandidateReport) -> Iterator[tuple[str, float]]:
    """Names as the gates have them, where they have one."""
    if candidate.latency:
        for key in ("p50_ms", "p90_ms", "p99_ms"):
            value = getattr(candidate.latency, key)
            if value is not None:
                yield key, value
        if candidate.latency.ratio:
            yield "speed_up", 1 / candidate.latency.ratio.value
    if candidate.throughput and candidate.throughput.rate_per_s is not None:
        yield "throughput_per_s", candidate.throughput.rate_per_s
    if candidate.regression:
        yield "regression", candidate.regression.ratio - 1
    if candidate.cold_start:
        yield "cold_start_s", candidate.cold_start.total_s
    if candidate.memory:
        yield "memory_mb", candidate.memory.peak_bytes / 1e6
    if candidate.size_bytes is not None:
        yield "size_mb", candidate.size_bytes / 1e6
    if candidate.accuracy:
        yield "accuracy", candidate.accuracy.score
        yield "accuracy_drop", -candidate.accuracy.difference
    for output, drift in candidate.drift.items():
        yield f"drift/{output}", drift.max_relative


def main(arguments: list[str]) -> int:
    try:
        folder, uri = arguments
        print(log_here(Path(folder), uri))
    except ValueError:
        print("usage: python -m optimize.reports.tracking FOLDER URI", file=sys.stderr)
        return 2
    except OptimizeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
