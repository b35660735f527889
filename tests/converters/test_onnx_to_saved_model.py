"""ONNX models as SavedModels: ONNX's own cases of each operator, and whole models at sizes that were not exported.

torch and TensorFlow never share a process: one of each runs all cases, and the tests read what they left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from optimize.arrays import load_arrays
from optimize.converters.onnx_to_saved_model import supported_operators

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    "OMP_NUM_THREADS": "2",
    "HF_HUB_OFFLINE": "1",
}
QUICK = ["mlp", "cnn", "cnn_older_exporter", "lstm", "attention"]
SLOW = [
    "gru", "attention_older_exporter", "drawing_older_exporter", "transformer_encoder", "bert", "bert_older_exporter", "gpt2",
]  # fmt: skip
LEARNERS = ["linear_regression", "logistic_regression", "two_classes", "forest", "boosting", "normalized_forest"]


def _python(*arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], env=ENVIRONMENT, capture_output=True, text=True, cwd=ROOT
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return process.stdout


def _converted(folder: Path, names: Sequence[str], others: Sequence[str] = ()) -> Path:
    _python(str(HERE / "onnx_export.py"), str(folder), *names)
    if others:
        _python(str(HERE / "onnx_learners.py"), str(folder), *others)
    _python(str(HERE / "onnx_serve.py"), str(folder), *names, *others)
    return folder


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _converted(
        tmp_path_factory.mktemp("quick"), QUICK, [*LEARNERS, "unknown_operator", "branch_and_loop", "rare_operators"]
    )


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _converted(tmp_path_factory.mktemp("slow"), SLOW)


def _check(folder: Path) -> None:
    error = folder / "error.txt"
    assert not error.exists(), error.read_text()
    for path in sorted(folder.glob("expected*.npz")):
        expected, actual = load_arrays(path), load_arrays(folder / path.name.replace("expected", "actual"))
        assert set(actual) == set(expected)
        for name, wanted in expected.items():
            assert actual[name].shape == wanted.shape and actual[name].dtype == wanted.dtype
            np.testing.assert_allclose(actual[name], wanted, 1e-5, 1e-5 * float(np.abs(wanted).max(initial=0)))


@pytest.mark.parametrize("name", QUICK)
def test_an_exported_module_computes_the_same_at_sizes_that_were_not_exported(quick: Path, name: str) -> None:
    _check(quick / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_an_architecture_computes_the_same_at_sizes_that_were_not_exported(slow: Path, name: str) -> None:
    _check(slow / name)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_scikit_learn_model_predicts_the_same(quick: Path, name: str) -> None:
    _check(quick / name)


def test_branches_and_loops_depend_on_the_data(quick: Path) -> None:
    _check(quick / "branch_and_loop")


def test_operators_that_onnx_has_no_case_of_compute_what_its_runtime_does(quick: Path) -> None:
    _check(quick / "rare_operators")


def test_an_operator_without_a_rule_is_named_with_its_node(quick: Path) -> None:
    error = (quick / "unknown_operator" / "error.txt").read_text().strip().splitlines()[-1]
    assert "no TensorFlow rule for " in error and "com.acme.Frobnicate, node middle" in error
    assert "DeformConv, node making y" in error


def test_the_signature_keeps_names_types_and_free_sizes(quick: Path) -> None:
    described = json.loads((quick / "cnn" / "serving.json").read_text())
    assert described["inputs"] == {"image": ["float32", [None, 3, None, None]]}
    assert described["outputs"] == {"output": ["float32", [None, 5]]}


@pytest.mark.parametrize("name", ["cnn", "cnn_older_exporter"])
def test_a_convolution_network_is_transposed_once_and_its_batch_norms_are_folded(quick: Path, name: str) -> None:
    operations = json.loads((quick / name / "serving.json").read_text())["operations"]
    assert operations["Transpose"] <= 1
    assert not {"Rsqrt", "Sub"} & set(operations)


def test_large_weights_are_variables(quick: Path) -> None:
    files = (quick / "mlp" / "saved_model" / "variables").iterdir()
    assert sum(path.stat().st_size for path in files) > 300 * 8 * 4


@pytest.fixture(scope="module")
def official(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases once, for every test; where the slow tests are left out, those of operators with a rule."""
    slow = any(item.get_closest_marker("slow") and "official" in item.fixturenames for item in request.session.items)
    file = tmp_path_factory.mktemp("official") / "cases.json"
    _python("-m", "tests.converters.onnx_nodes", str(file), "all" if slow else "quick")
    return file


def test_every_official_case_of_an_operator_with_a_rule_holds_or_is_a_known_exception(official: Path) -> None:
    found = json.loads(official.read_text())
    with_a_rule = [entry for operator, entry in found["cases"].items() if operator in supported_operators()]
    failed = {case: why for entry in with_a_rule for case, why in entry["failed"].items()}
    assert {case: problem for case, (problem, why) in failed.items() if not why} == {}
    assert set(found["exceptions"]) <= set(failed), "these exceptions hold by now"
    assert sum(entry["passed"] for entry in with_a_rule) > 900


def test_the_table_of_operators_is_up_to_date(official: Path) -> None:
    table = (ROOT / "converters" / "onnx_to_saved_model" / "operators.py").read_text()
    assert table == json.loads(official.read_text())["table"], "run: python -m tests.converters.onnx_nodes"
    assert {"Conv", "ai.onnx.ml.Scaler"} <= set(supported_operators())


@pytest.mark.slow
def test_the_page_of_operators_is_up_to_date(official: Path) -> None:
    page = (ROOT / "docs" / "onnx-operators.md").read_text()
    assert page == json.loads(official.read_text())["document"], "run: python -m tests.converters.onnx_nodes"


def test_the_stage_loads_neither_onnx_nor_tensorflow_when_imported() -> None:
    code = (
        "import sys; import optimize.converters.onnx_to_saved_model;"
        "print({'torch', 'tensorflow', 'onnx'} & set(sys.modules))"
    )
    assert _python("-c", code).strip() == "set()"
