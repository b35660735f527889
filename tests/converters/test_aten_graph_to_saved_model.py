"""PyTorch modules through the ATen graph to a SavedModel, against torch at sizes that were not traced.

torch and TensorFlow never share a process: a few of each run all cases, and the tests read what they left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from optimize.arrays import Array, load_arrays
from optimize.converters.aten_graph_to_saved_model import supported_operators

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHAINS = 2
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE), os.environ.get("PYTHONPATH", "")]),
    "OMP_NUM_THREADS": "1",  # Tracing and building graphs take one core; two chains of processes run at a time.
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "HF_HUB_OFFLINE": "1",
}

# The names are written out so that collecting the tests needs no torch; a test below compares them with the tables.
QUICK = [
    "mlp",
    "cnn",
    "cnn_of_any_size",
    "mobilenet",
    "lstm_tagger",
    "gru_tagger",
    "recurrent_states",
    "two_inputs",
    "tied_weights",
    "tied_the_other_way",
    "branching",
    "many_types",
    "under_autocast",
    "wide",
    "halving",
    "untouched",
    "writes_in_place",
    "length_arithmetic",
    "unet",
    "super_resolution",
    "speech",
    "volume",
    "transformer_encoder",
    "transformer_encoder_with_masks",
]
FAMILIES = [
    "arithmetic",
    "comparison",
    "activation",
    "sizes",
    "creation",
    "shape",
    "selection",
    "indexing",
    "reduction",
    "sorting",
    "convolution",
    "pooling",
    "normalization",
    "linear_algebra",
    "attention",
    "recurrent",
    "resize",
]
SLOW = [
    "bert",
    "distilbert",
    "roberta",
    "albert",
    "electra",
    "deberta",
    "mobilebert",
    "gpt2",
    "gpt_neox",
    "llama",
    "qwen2",
    "t5_encoder",
    "vit",
    "resnet50",
    "convnext",
    "convnextv2",
    "swin",
    "efficientnet",
    "mobilenet_v2",
    "mobilevit",
    "regnet",
    "segformer",
    "dpt",
    "wav2vec2",
    "clip_vision",
    "xlnet",
    "mpnet",
    "squeezebert",
    "mamba",
]
REFUSED = ["unknown_operators", "frozen_length", "odd_name", "training_mode"]


def _python(*arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return process.stdout


def _converted(folder: Path, names: Sequence[str]) -> Path:
    def chain(part: Sequence[str]) -> None:
        _python(str(HERE / "aten_export.py"), str(folder), *part)
        _python(str(HERE / "aten_serve.py"), str(folder), *part)

    with ThreadPoolExecutor(CHAINS) as pool:
        list(pool.map(chain, [names[start::CHAINS] for start in range(CHAINS)]))
    return folder


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _converted(tmp_path_factory.mktemp("quick"), [*QUICK, *REFUSED, "mlp_again"])


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _converted(tmp_path_factory.mktemp("slow"), SLOW)


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _converted(tmp_path_factory.mktemp("families"), [f"operators_{family}" for family in FAMILIES])


def _check(folder: Path) -> None:
    error = folder / "error.txt"
    assert not error.exists(), error.read_text()
    tolerance = json.loads((folder / "case.json").read_text())["tolerance"]
    for path in sorted(folder.glob("expected*.npz")):
        expected, actual = load_arrays(path), load_arrays(folder / path.name.replace("expected", "actual"))
        assert list(actual) == sorted(expected) or set(actual) == set(expected)
        wrong = [f"{n}: {problem}" for n in expected if (problem := _difference(expected[n], actual[n], tolerance))]
        assert not wrong, f"{path.name}: {'; '.join(wrong)}"


def _difference(expected: Array, actual: Array, tolerance: float) -> str:
    """Largest error over the largest magnitude of the tensor; exact for integers and booleans."""
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return f"{actual.dtype}{list(actual.shape)} instead of {expected.dtype}{list(expected.shape)}"
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], actual[~finite], equal_nan=True):
        return "other infinities or NaNs"
    a, b = expected[finite].astype(np.float64), actual[finite].astype(np.float64)
    if expected.dtype.kind in "biu":
        return "" if np.array_equal(a, b) else "other integers"
    error = np.abs(a - b).max(initial=0) / max(np.abs(a).max(initial=0), 1e-12)
    return "" if error <= tolerance else f"relative error {error:.1e}, allowed {tolerance:.0e}"


@pytest.mark.parametrize("name", QUICK)
def test_a_module_computes_the_same_at_sizes_that_were_not_traced(quick: Path, name: str) -> None:
    _check(quick / name)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_operator_of_a_family_computes_what_torch_does(families: Path, family: str) -> None:
    _check(families / f"operators_{family}")


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_an_architecture_computes_the_same_at_sizes_that_were_not_traced(slow: Path, name: str) -> None:
    _check(slow / name)


def test_all_operators_without_a_rule_are_named_with_the_module_that_uses_them(quick: Path) -> None:
    error = (quick / "unknown_operators" / "error.txt").read_text()
    assert "while converting" in error
    message = error.strip().splitlines()[-1]
    assert "aten._fft_r2c.default, used by spectrum.inner (Function)" in message
    assert "aten._linalg_eigh.default, used by values (Function)" in message


def test_a_size_frozen_inside_the_graph_is_refused(quick: Path) -> None:
    assert "which fixes 'sequence'" in (quick / "frozen_length" / "error.txt").read_text()


def test_a_name_that_tensorflow_would_change_is_refused(quick: Path) -> None:
    assert "rename a/b" in (quick / "odd_name" / "error.txt").read_text()


def test_a_module_in_training_mode_is_refused_with_the_layer(quick: Path) -> None:
    error = (quick / "training_mode" / "error.txt").read_text()
    assert "aten.native_dropout.default used by 1 (Dropout): dropout is on" in error


def test_equal_models_give_equal_bytes(quick: Path) -> None:
    for name in ("graph.json", "weights.safetensors"):
        assert (quick / "mlp" / "graph" / name).read_bytes() == (quick / "mlp_again" / "graph" / name).read_bytes()


def test_tied_weights_are_stored_once(quick: Path) -> None:
    raw = (quick / "tied_weights" / "graph" / "weights.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert sorted(set(header) - {"__metadata__"}) == ["head.weight", "twice.bias", "twice.weight"]
    # The embedding's rows and the head's transposed matrix are one variable; biases are constants.
    assert json.loads((quick / "tied_weights" / "serving.json").read_text())["variables"] == [[90, 16]]


def test_the_signature_keeps_names_types_and_free_sizes(quick: Path) -> None:
    described = json.loads((quick / "two_inputs" / "serving.json").read_text())
    assert described["inputs"] == {"image": ["float32", [None, 3, 32, 48]], "table": ["float32", [None, 6]]}
    assert set(described["outputs"]) == {"probabilities", "norm"}


def test_weights_as_integers_take_a_quarter_of_the_bytes_and_drift_by_their_rounding_alone(quick: Path) -> None:
    folder = quick / "wide"
    assert _bytes(folder / "integers") < 0.35 * _bytes(folder / "saved_model")
    expected, actual = load_arrays(folder / "expected0.npz")["output"], load_arrays(folder / "rounded0.npz")["output"]
    error = np.abs(expected - actual).max() / np.abs(expected).max()
    assert 1e-4 < error < 0.05
    text = (folder / "integers.txt").read_text()
    assert "weight-only int8" in text
    assert "computed in floating point" in text
    assert "5 weights" in text


@pytest.mark.parametrize("name", ["tied_weights", "tied_the_other_way"])
def test_tied_weights_as_integers_are_one_variable_whichever_way_they_are_read_first(quick: Path, name: str) -> None:
    folder = quick / name
    read_first = [90, 16] if name == "tied_weights" else [16, 90]
    scales = [90, 1] if name == "tied_weights" else [1, 90]
    assert sorted(json.loads((folder / "integers.json").read_text())) == sorted([read_first, scales])
    expected, actual = load_arrays(folder / "expected0.npz")["output"], load_arrays(folder / "rounded0.npz")["output"]
    assert 1e-4 < np.abs(expected - actual).max() / np.abs(expected).max() < 0.05


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "variables").iterdir())


@pytest.mark.parametrize("name", ["cnn", "mobilenet"])
def test_a_convolution_network_is_transposed_once_at_its_door(quick: Path, name: str) -> None:
    operations = json.loads((quick / name / "serving.json").read_text())["operations"]
    # The second one is of a tensor with one pixel, and moves nothing.
    assert operations["Transpose"] <= 2


def test_batch_norms_are_folded_into_the_convolutions_before_them(quick: Path) -> None:
    operations = json.loads((quick / "cnn" / "serving.json").read_text())["operations"]
    assert not {"Mul", "AddV2", "Rsqrt"} & set(operations)


def test_no_python_is_left_in_the_saved_model(quick: Path) -> None:
    for name in QUICK:
        assert b"PyFunc" not in (quick / name / "saved_model" / "saved_model.pb").read_bytes()


@pytest.mark.slow
def test_every_rule_is_exercised(quick: Path, slow: Path, families: Path) -> None:
    paths = [path for root in (quick, slow, families) for path in root.glob("*/graph/graph.json")]
    used = {operator for path in paths for operator in _operators(json.loads(path.read_text())["graph"])}
    assert set(supported_operators()) - used == set()


def _operators(graph: dict[str, object]) -> Iterable[str]:
    for node in graph["nodes"]:  # type: ignore[attr-defined]
        yield node["operator"]
    for inner in graph["graphs"].values():  # type: ignore[attr-defined]
        yield from _operators(inner)


def test_the_stages_load_neither_torch_nor_tensorflow_when_imported() -> None:
    code = (
        "import sys; import optimize.converters.pytorch_to_aten_graph, optimize.converters.aten_graph_to_saved_model;"
        "import optimize.quantizers.saved_model_weight_only;"
        "print({'torch', 'tensorflow'} & set(sys.modules))"
    )
    assert _python("-c", code).strip() == "set()"


def test_the_list_of_operators_is_up_to_date(quick: Path) -> None:
    written = json.loads((quick / "coverage.json").read_text())
    command = "run: python -m optimize.converters.aten_graph_to_saved_model"
    assert (ROOT / "docs" / "aten-operators.md").read_text() == written["document"], command
    assert (ROOT / "converters" / "aten_graph_to_saved_model" / "operators.py").read_text() == written["table"], command


def test_no_case_of_the_tables_is_left_out(quick: Path) -> None:
    tables = json.loads((quick / "tables.json").read_text())
    expected = {"quick": QUICK, "slow": SLOW, "families": FAMILIES, "refused": REFUSED}
    assert {kind: sorted(names) for kind, names in tables.items()} == {k: sorted(v) for k, v in expected.items()}
