"""Parquet is read back by the library that everybody reads it with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optimize.errors import UserError
from optimize.pipeline.schema import Reports
from optimize.reports import parquet
from optimize.reports.measurements import COLUMNS
from optimize.reports.model import Report

pq = pytest.importorskip("pyarrow.parquet")


def test_the_table_of_figures_is_that_of_the_csv_with_types(report: Report, tmp_path: Path) -> None:
    (path,) = parquet.write_parquet(report, None, tmp_path)
    table = pq.read_table(path)
    assert tuple(table.column_names) == COLUMNS
    winner = next(c for c in report.candidates if c.name == report.winner)
    assert winner.latency
    (p50,) = [r for r in table.to_pylist() if (r["candidate"], r["figure"]) == (winner.name, "latency_p50")]
    assert (p50["value"], p50["unit"], (p50["low"], p50["high"])) == (
        winner.latency.p50_ms, "ms", winner.latency.p50_ms_ci,
    )  # fmt: skip
    (size,) = [r for r in table.to_pylist() if (r["candidate"], r["figure"]) == (winner.name, "size")]
    assert size["value"] == winner.size_bytes and size["low"] is None


def test_every_call_stands_in_the_samples(report: Report, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "samples.npz", names=["source", "onnx-none"], candidate=[1, 0, 1], generation=[0, 0, 1],
        round=[0, 0, 1], at_ns=[2**53 + 7, 2**53 + 9, 2**53 + 12], ns=[3, 4, 5],
    )  # fmt: skip
    _, path = parquet.write_parquet(report, tmp_path / "samples.npz", tmp_path / "made")
    assert pq.read_table(path).to_pydict() == {
        "candidate": ["onnx-none", "source", "onnx-none"], "generation": [0, 0, 1], "round": [0, 0, 1],
        "at_ns": [0, 2, 5], "call_ns": [3, 4, 5],
    }  # fmt: skip
    before = path.stat().st_mtime_ns
    parquet.write_parquet(report, tmp_path / "samples.npz", tmp_path / "made")
    assert path.stat().st_mtime_ns == before, "a second time nothing is touched"


def test_a_report_without_candidates_has_a_table_without_rows(report: Report, tmp_path: Path) -> None:
    bare = report.source.model_copy(update={"latency": None, "cold_start": None, "memory": None, "size_bytes": None})
    (path,) = parquet.write_parquet(report.model_copy(update={"candidates": [], "source": bare}), None, tmp_path)
    assert pq.read_table(path).num_rows == 0


@pytest.mark.parametrize(("wanted", "extra"), [({"parquet": True}, "parquet"), ({"mlflow": "http://x"}, "mlflow")])
def test_a_library_that_is_missing_is_said_before_anything_is_run(
    wanted: dict[str, object], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"pip install 'optimize-pipeline\[{extra}\]'"):
        parquet.need_libraries(Reports.model_validate(wanted))
