"""`target: auto` and cost: one run, and the types that hold its winner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimize.cli import run_command
from optimize.errors import UserError
from optimize.execution.run import prepare, run
from optimize.reports.model import Report
from tests.conftest import Project, write_onnx_model


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a run that asks for the cheapest."""
    folder = tmp_path_factory.mktemp("auto")
    write_onnx_model(folder / "model.onnx")
    settings = {
        "name": "small", "source": {"kind": "onnx", "file": "model.onnx"}, "target": "auto", "objective": "cost",
        "candidates": {"formats": ["onnx"], "quantization": ["none"]},
        "benchmark": {"processes": 3, "budget_s": 0.5, "throughput": {"budget_s": 6, "seconds": 0.2, "p99_ms": 200}},
        "prices": {"ml.c7i.xlarge": 0.3, "ml.m6i.large": 0.1},
    }  # fmt: skip
    (folder / "pipeline.yaml").write_text(json.dumps(settings))
    return run(folder / "pipeline.yaml", until="measure").report


def test_the_type_to_take_is_the_cheapest_of_those_that_hold_the_winner(report: Report) -> None:
    assert report.winner == "onnx-none" and report.exit_code == 0
    first, second, *others = report.sizing
    assert (first.name, second.name) == ("ml.m6i.large", "ml.c7i.xlarge")
    assert first.usd_per_million is not None and second.usd_per_million is not None
    assert first.usd_per_million < second.usd_per_million
    assert all(one.usd_per_million is None for one in others)


def test_the_winner_has_its_cost_with_how_far_it_can_be_trusted(report: Report) -> None:
    (candidate,) = report.candidates
    assert candidate.cost is not None and candidate.throughput is not None
    assert candidate.cost.type == "ml.m6i.large" and candidate.cost.fidelity in ("emulated", "foreign")
    rate = candidate.throughput.rate_per_s
    assert rate is not None and candidate.cost.per_s == pytest.approx(rate, rel=0.01), "one core here, and there"
    assert candidate.cost.usd_per_million == pytest.approx(0.1 / 3600 / rate * 1e6, rel=0.01)


def test_memory_is_told_by_phase_and_grows(report: Report) -> None:
    (candidate,) = report.candidates
    assert candidate.memory is not None
    peaks = [candidate.memory.phases_bytes[phase] for phase in ("import", "read", "open", "first_run")]
    assert peaks == sorted(peaks) and peaks[0] > 1e6


def test_the_command_recommends_what_the_report_lists(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").write_text(report.model_dump_json())
    assert run_command(["recommend", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.index("ml.m6i.large") < said.index("ml.c7i.xlarge") and "requests/s a core" in said
    assert run_command(["recommend", str(tmp_path), "--price", "ml.c7i.xlarge=0.01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["types"][0]["name"] == "ml.c7i.xlarge"


def test_figures_of_another_machine_are_taken_only_when_forced_and_labelled(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = report.pipeline | {"prices": {"mine": 1.0}}
    other = report.model_copy(update={"machine": report.machine | {"cpu": "another"}, "pipeline": own})
    (tmp_path / "report.json").write_text(other.model_dump_json())
    assert run_command(["recommend", str(tmp_path)]) == 2
    assert "another machine" in capsys.readouterr().err
    assert run_command(["recommend", str(tmp_path), "--force"]) == 0
    assert "ACROSS MACHINES" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "price", "expected"),
    [
        ({}, "ml.c7i.lrage=1", "did you mean ml.c7i.large"),
        ({}, "ml.c7i.large=cheap", "expected TYPE=DOLLARS"),
        ({"objective": "cost", "target": "ml.c7i.large"}, "ml.m5.large=1", "--price ml.c7i.large=0.2"),
        ({"objective": "cost", "target": "ml.c7i"}, "ml.m5.large=1", "--price ml.c7i.large=0.2"),
    ],
)
def test_a_price_that_does_not_serve_is_refused_with_what_to_type(
    onnx_project: Project, changes: dict[str, str], price: str, expected: str
) -> None:
    with pytest.raises(UserError) as caught:
        prepare(onnx_project(**changes), prices=[price])
    assert expected in str(caught.value)
