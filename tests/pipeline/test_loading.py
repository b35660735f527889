"""Everything wrong with a pipeline file is one message with file, line, what was given and what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimize.errors import UserError
from optimize.execution.run import prepare
from optimize.pipeline.loading import load
from tests.conftest import Project


def message(path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        prepare(path, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_example_loads(root: Path) -> None:
    pipeline = load(root / "pipeline.yaml").pipeline
    assert pipeline.name == "digits"
    assert pipeline.source.kind == "pytorch"


def test_objects_are_frozen(root: Path) -> None:
    pipeline = load(root / "pipeline.yaml").pipeline
    with pytest.raises(ValueError, match="frozen"):
        pipeline.name = "other"  # type: ignore[misc]


def test_an_unknown_key_names_its_line_and_the_nearest_key(onnx_project: Project) -> None:
    path = onnx_project()
    path.write_text(path.read_text().replace("budget_s", "budjet_s"))
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "budjet_s" in text)
    text = message(path)
    assert f"{path}:{line}: benchmark.budjet_s: unknown key, did you mean 'budget_s'?" in text
    assert "for example: benchmark:" in text


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("objective=speed", "objective: expected 'latency'"),
        ("objective=latencey", "did you mean 'latency'?; given: 'latencey'"),
        ("candidates.formats=3", "candidates.formats: expected a list: [one, two]; given: 3"),
        ("benchmark.processes=two", "benchmark.processes: expected a whole number; given: 'two'"),
        ("gates=3", "gates: expected a section of keys; given: 3"),
        ("candidates.formats=[onnx, onnx]", "onnx stands here twice"),
        ("candidates.formats=[onyx]", "'onyx' is not a format; one of"),
        ("candidates.quantization=[statik]", "'statik' is no method of quantization, did you mean 'static'?"),
        ("candidates.options={onnx-dynamik: {}}", "no such candidate, did you mean 'onnx-dynamic'?"),
        ("candidates.options={onnx-none: {a: 1}}", "unknown key; valid here: opset, ir, optimize"),
        ("candidates={formats: [torchscript], options: {torchscript-none: {a: 1}}}", "nothing that makes this"),
        ("source.kind=onix", "'onix' is not a kind of source, did you mean 'onnx'?"),
        (
            "source.file=modle.onnx",
            "no such file: modle.onnx (paths are relative to the pipeline file), did you mean 'model.onnx'?",
        ),
        ("source=3", "source is 3; write for example"),
        ("target=ml.c7i.lage", "did you mean ml.c7i.large"),
        ("gates.size_mb=-1", "gates.size_mb: expected more than 0; given: -1"),
        ("data.evaluation={file: evaluation.npz, metric: f1}", "'f1' is no metric"),
        ("benchmark.threads=4096", "4096 threads on a machine with"),
        ("data=3", "data"),
    ],
)
def test_a_wrong_value_says_what_was_expected(onnx_project: Project, override: str, expected: str) -> None:
    assert expected in message(onnx_project(), override)


def test_an_unknown_option_of_a_method_names_its_line_and_the_nearest(onnx_project: Project) -> None:
    candidates = {"formats": ["onnx"], "quantization": ["static"], "options": {"onnx-static": {"exclud": ["first"]}}}
    path = onnx_project(candidates=candidates)
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "exclud" in text)
    assert f":{line}: candidates.options.onnx-static.exclud: unknown key, did you mean 'exclude'?" in message(path)


def test_all_problems_are_told_at_once(onnx_project: Project) -> None:
    text = message(onnx_project(), "objective=speed", "gates.size=1")
    assert "objective" in text and "gates.size" in text


def test_static_without_calibration_data_is_refused(onnx_project: Project) -> None:
    path = onnx_project(data={}, candidates={"formats": ["onnx"], "quantization": ["static"]})
    assert "static quantization reads calibration data, and the file names none" in message(path)


def test_static_is_left_out_by_default_where_there_is_no_calibration_data(onnx_project: Project) -> None:
    path = onnx_project(data={}, candidates={"formats": ["onnx"]})
    assert load(path).pipeline.candidates.quantization == ("none", "dynamic")
    assert load(path, ["data.calibration=calibration.npz"]).pipeline.candidates.quantization[-1] == "static"


def test_a_folder_alone_is_short_for_the_reports_section(onnx_project: Project) -> None:
    reports = load(onnx_project(report="out")).pipeline.report
    assert (reports.folder, reports.mlflow) == ("out", None)
    assert load(onnx_project(), ["report={mlflow: runs}"]).pipeline.report.mlflow == "runs"


def test_a_repeated_key_is_refused(onnx_project: Project) -> None:
    path = onnx_project()
    path.write_text(path.read_text() + "name: again\n")
    assert "name stands here a second time (first on line 1)" in message(path)


@pytest.mark.parametrize("text", ["name: [", "- 1\n- 2\n", "", "a: b: c"])
def test_what_is_not_a_pipeline_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    assert str(path) in message(path)


def test_a_missing_file_says_what_to_type(tmp_path: Path) -> None:
    assert "optimize run path/to/pipeline.yaml" in message(tmp_path / "nothing.yaml")


def test_an_absolute_gate_is_refused_for_figures_of_another_machine(onnx_project: Project) -> None:
    path = onnx_project(target="ml.c7g.large", gates={"p50_ms": 5})
    assert "accept: foreign" in message(path) and "gates.p50_ms" in message(path)
    assert prepare(path, ["accept=foreign"]).near.fidelity == "foreign"


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text("name: !!python/object/apply:os.system ['touch made']\n")
    message(path)
    assert not (tmp_path / "made").exists()


def test_what_only_follows_from_another_error_is_not_said(onnx_project: Project) -> None:
    """A list whose one element is refused is not too short besides."""
    assert "at least" not in message(onnx_project(), "candidates.formats=[1]")


@pytest.mark.parametrize("budget", ["0", "-5", "0s", "10 minuten", "soon"])
def test_a_budget_that_no_search_could_spend_is_refused(onnx_project: Project, budget: str) -> None:
    path = onnx_project(candidates={"formats": ["onnx"], "quantization": "auto", "budget": budget})
    said = message(path)
    assert "candidates.budget" in said and "write one such as 90s, 10m or 1.5h" in said


def test_auto_brings_fp32_with_it(onnx_project: Project) -> None:
    candidates = load(onnx_project(candidates={"formats": ["onnx"], "quantization": "auto"})).pipeline.candidates
    assert candidates.quantization == ("none", "auto") and candidates.budget_s == 600


def test_a_budget_without_a_search_is_refused(onnx_project: Project) -> None:
    path = onnx_project(candidates={"formats": ["onnx"], "quantization": ["none"], "budget": "5m"})
    assert "nothing is searched for; write `quantization: auto`" in message(path)


def test_a_setting_that_a_runtime_does_not_understand_is_refused(onnx_project: Project) -> None:
    told = {"onnx": {"spining": False}, "onx": {}}
    said = message(onnx_project(candidates={"formats": ["onnx"], "quantization": ["none"], "settings": told}))
    assert "candidates.settings.onnx.spining: unknown key, did you mean 'spinning'?" in said
    assert "candidates.settings.onx: no format of the file, did you mean 'onnx'?" in said
