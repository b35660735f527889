"""From raw samples to what plots need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optimize.benchmarks.design import Samples
from optimize.benchmarks.measuring import save_raw
from optimize.reports.figures import QUANTILES
from optimize.reports.samples import MOST_ROUNDS, distill, read_samples


def samples(rounds: int, calls: int, generations: int = 3, scale: float = 1e6, start_ns: int = 10**15) -> Samples:
    rng = np.random.default_rng(7)
    one = Samples()
    for generation in range(generations):
        rows = []
        for number in range(rounds):
            at = start_ns + int(generation * 60e9 + number * 10e6)
            rows.append({"ns": list(map(int, scale * (1 + rng.random(calls)))), "cpu_ns": 1, "at_ns": at})
        one.slices.append(rows)
    return one


def test_quantiles_are_of_all_calls_and_medians_of_each_round(tmp_path: Path) -> None:
    raw = {"source": samples(20, 5), "onnx-none": samples(20, 50, scale=1e5), "failed": Samples(failure="it crashed")}
    save_raw(tmp_path / "samples.npz", raw)
    found = read_samples(tmp_path / "samples.npz")
    assert found.keys() == {"source", "onnx-none"}, "what was never timed has no series"
    calls = np.array([ns for rows in raw["source"].slices for row in rows for ns in row["ns"]]) / 1e6
    assert found["source"].quantiles_ms == pytest.approx(np.quantile(calls, QUANTILES), rel=1e-4)
    assert len(found["source"].at_s) == len(found["source"].median_ms) == 60
    assert found["source"].median_ms[0] == pytest.approx(np.median(raw["source"].slices[0][0]["ns"]) / 1e6, rel=1e-4)
    assert found["source"].at_s[0] == 0 and found["source"].at_s[20] == pytest.approx(60)
    assert found["source"].generation == [0] * 20 + [1] * 20 + [2] * 20


def test_many_rounds_are_put_together_within_their_generation(tmp_path: Path) -> None:
    save_raw(tmp_path / "samples.npz", {"source": samples(1000, 2)})
    one = read_samples(tmp_path / "samples.npz")["source"]
    assert len(one.at_s) <= MOST_ROUNDS + 3
    assert set(one.generation) == {0, 1, 2} and one.at_s == sorted(one.at_s)


def test_what_was_read_once_is_kept(tmp_path: Path) -> None:
    save_raw(tmp_path / "samples.npz", {"source": samples(10, 5)})
    cache = tmp_path / "kept" / "series.json"
    first = distill(tmp_path / "samples.npz", cache)
    (tmp_path / "samples.npz").unlink()
    assert distill(tmp_path / "samples.npz", cache) == first != {}


def test_a_damaged_file_gives_a_report_without_these_plots(tmp_path: Path) -> None:
    (tmp_path / "samples.npz").write_bytes(b"PK\x03\x04 cut short")
    assert distill(tmp_path / "samples.npz", tmp_path / "cache.json") == {}
    save_raw(tmp_path / "whole.npz", {"source": samples(10, 5)})
    (tmp_path / "cache.json").write_text("{", encoding="utf-8")
    assert distill(tmp_path / "whole.npz", tmp_path / "cache.json").keys() == {"source"}
