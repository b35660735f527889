"""The same search in two fresh stores: what the clock does not decide comes out the same.

The clock decides where a budget ends, which format is tuned first, and which settings of a runtime are kept. Everything
else follows from the answers of the models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import optimize
from optimize.reports.search_model import SearchReport
from tests.conftest import onnx_answers
from tests.outlier import write_outlier_cnn


def search(folder: Path) -> SearchReport:
    """Over the methods of OpenVINO, one of which the outlier channel makes wrong."""
    write_outlier_cnn(folder / "model.onnx")
    x = np.random.default_rng(1).standard_normal((32, 3, 12, 12)).astype(np.float32)
    np.savez(folder / "calibration.npz", x=x)
    np.savez(folder / "evaluation.npz", x=x, label=onnx_answers(folder / "model.onnx", x).argmax(1))
    pipeline = {
        "name": "outlier",
        "source": {"kind": "onnx", "file": "model.onnx"},
        "data": {"calibration": "calibration.npz", "evaluation": "evaluation.npz"},
        "candidates": {"formats": ["openvino"], "quantization": "auto", "budget": "30m"},
        "tolerances": {"int8": {"cosine": 0.9995, "max_relative": None}},
        "benchmark": {"processes": 3, "budget_s": 0.3, "seed": 7},
    }  # fmt: skip
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    found = optimize.run(folder / "pipeline.yaml", until="measure").report.search
    assert found is not None
    return found


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchReport, SearchReport]:
    first, second = (search(tmp_path_factory.mktemp("outlier")) for _ in range(2))
    return first, second


def test_the_same_trials_come_in_the_same_order_to_the_same_answers(twice: tuple[SearchReport, SearchReport]) -> None:
    first, second = (
        [(t.method, t.options, t.settings, t.state, t.cleared, t.drift, t.size_bytes) for t in one.trials]
        for one in twice
    )
    assert first == second
    assert any("exclude" in options for _, options, *_ in first)


def test_the_same_layers_are_the_most_sensitive(twice: tuple[SearchReport, SearchReport]) -> None:
    first, second = twice
    assert first.sensitivity and first.sensitivity == second.sensitivity


def test_static_int8_of_openvino_is_mended_by_the_most_sensitive_layer(
    twice: tuple[SearchReport, SearchReport],
) -> None:
    trials = [trial for trial in twice[0].trials if trial.method == "static"]
    assert trials[0].state == "drifted" and not trials[0].options
    mended = next(trial for trial in trials if trial.cleared)
    assert mended.options["exclude"] == ["second"]
