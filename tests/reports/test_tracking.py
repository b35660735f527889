"""Reports logged to a real MLflow server on the loopback, and read back from it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimize.errors import ToolError
from optimize.reports.model import Report
from optimize.reports.tracking import SILENT, log_reports
from optimize.reports.write import write_reports


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("mlflow")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/store.db", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=os.environ | SILENT)
    try:
        _await(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(log.read_text(encoding="utf-8", errors="replace")[-2000:])


@pytest.mark.slow
def test_what_was_logged_is_read_back(server: str, report: Report, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    paths = write_reports(report, tmp_path)
    run_id = log_reports(tmp_path, server)
    client = MlflowClient(tracking_uri=server)
    run = client.get_run(run_id)
    winner = next(c for c in report.candidates if c.name == report.winner)
    assert winner.latency
    assert run.data.metrics["p50_ms"] == winner.latency.p50_ms
    assert run.data.params["source.kind"] == "pytorch" and run.data.tags["winner"] == winner.name
    assert {a.path for a in client.list_artifacts(run_id)} == {path.name for path in paths}
    fetched = client.download_artifacts(run_id, "report.html", str(tmp_path))
    assert Path(fetched).read_bytes() == (tmp_path / "report.html").read_bytes()
    found = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert {child.info.run_name for child in found} == {c.name for c in report.candidates}


@pytest.mark.slow
def test_a_server_that_is_not_there_is_said_and_the_reports_stand(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    write_reports(report, tmp_path)
    with pytest.raises(ToolError, match=r"they stand in .*; to try again: python -m optimize.reports.tracking"):
        log_reports(tmp_path, f"http://127.0.0.1:{free_port()}")
    assert (tmp_path / "report.html").is_file()
