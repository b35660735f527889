"""Models of scikit-learn, XGBoost and LightGBM: what they answer is what their libraries do, and nothing is executed
unasked."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from optimize.artifact import Artifact
from optimize.commands.init import command as init
from optimize.converters import lightgbm_to_onnx, sklearn_to_onnx, xgboost_to_onnx
from optimize.converters.onnx_finishing import Options
from optimize.errors import Unsupported, UserError
from optimize.golden import output_specs
from optimize.newcomers.looking import look
from optimize.runtimes import onnx as runtime
from optimize.signature import Signature
from optimize.sources.base import sources
from optimize.sources.pickles import globals_in, read_beginning
from optimize.stages import RuntimeSettings
from tests.matrix import zoo_estimators as zoo

CONVERTERS = {"sklearn": sklearn_to_onnx, "xgboost": xgboost_to_onnx, "lightgbm": lightgbm_to_onnx}


def opened(folder: Path, source: dict[str, Any], signature: Signature | None = None) -> tuple[Any, Artifact]:
    module = sources()[source["kind"]]
    options = module.Options(**source).model_dump(mode="json")
    model = Artifact(folder, source["kind"], "source", signature or module.Options(**source).signature(), options)
    return module.open(module.read(model), model, RuntimeSettings()), model


def converted(folder: Path, source: dict[str, Any], inputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The source's own answers, and those of what was made of it."""
    loaded, model = opened(folder, source)
    answers = loaded.run(inputs)
    fewer = {name: array[:5] for name, array in inputs.items()}
    specs = output_specs(
        loaded.signature, [({"batch": len(next(iter(inputs.values())))}, answers), ({"batch": 5}, loaded.run(fewer))]
    )
    signature = Signature(loaded.signature.inputs, specs)
    made = folder / "made"
    made.mkdir()
    CONVERTERS[source["kind"]].convert(
        Artifact(folder, model.format, "source", signature, model.options), fewer, made, Options()
    )
    artifact = Artifact(made, "onnx", "none", signature)
    runtime.prepare(RuntimeSettings())
    session = runtime.open(runtime.read(artifact), artifact, RuntimeSettings())
    return answers, session.run(inputs)


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert {n: (a.dtype, a.shape) for n, a in one.items()} == {n: (a.dtype, a.shape) for n, a in other.items()}
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        zoo.linear_regression,
        zoo.random_forest,
        zoo.skops,
        zoo.scaled_boosters,
        zoo.xgboost_classifier,
        zoo.lightgbm_classifier,
    ],
)
def test_every_row_it_was_fitted_on_is_answered_alike(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = make(tmp_path)["source"]
    answers, got = converted(tmp_path, source, {"features": zoo.rows()[0]})
    same(answers, got)


def test_columns_are_inputs_of_their_own_and_drawn_from_their_categories(tmp_path: Path) -> None:
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x, y = zoo.rows()
    table = pandas.DataFrame({"unused": x[:, 3], "length (cm)": x[:, 0], "zone": y * 7 + 1})
    picks = ColumnTransformer([("a", StandardScaler(), ["length (cm)"]), ("b", OneHotEncoder(), ["zone"])])
    source = zoo.pickled(tmp_path, make_pipeline(picks, Ridge()).fit(table, y))["source"]
    loaded, _ = opened(tmp_path, source)
    assert [str(spec) for spec in loaded.signature.inputs] == [
        "length (cm): float32[batch, 1]",
        "zone: int64[batch, 1]",
    ]
    drawn = loaded.samples(32).arrays
    assert set(drawn["zone"].ravel()) == {1, 8, 15}
    answers, got = converted(tmp_path, source, drawn)
    same(answers, got)
    assert answers["output"].dtype == np.float32


def test_text_in_columns_and_in_labels_stays_text(tmp_path: Path) -> None:
    source = zoo.words_in_columns(tmp_path)["source"]
    loaded, _ = opened(tmp_path, source)
    assert [str(spec) for spec in loaded.signature.inputs] == ["length: float32[batch, 1]", "color: str[batch, 1]"]
    drawn = loaded.samples(32).arrays
    answers, got = converted(tmp_path, source, drawn)
    assert set(answers["label"]) <= {"large", "medium", "small"}
    np.testing.assert_array_equal(answers["label"], got["label"])
    np.testing.assert_allclose(answers["probabilities"], got["probabilities"], rtol=1e-5, atol=1e-6)


def test_documents_are_one_text_a_row(tmp_path: Path) -> None:
    source = zoo.documents(tmp_path)["source"]
    answers, got = converted(tmp_path, source, opened(tmp_path, source)[0].samples(32).arrays)
    same(answers, got)


def test_a_float_is_one_of_the_categories_or_none_and_is_never_rounded(tmp_path: Path) -> None:
    from sklearn.preprocessing import OneHotEncoder

    known = np.array([[0.5, 1], [1.5, 2], [np.nan, 4]], np.float32)
    fitted = OneHotEncoder(handle_unknown="ignore", drop=np.array([0.5, 2]), sparse_output=False).fit(known)
    source = zoo.pickled(tmp_path, fitted)["source"]
    asked = np.array([[0.5, 1], [1.5, 2.5], [np.nan, 1.9], [0.4, 4], [1, 2], [1.5, 4]], np.float32)
    answers, got = converted(tmp_path, source, {"features": asked})
    np.testing.assert_array_equal(answers["output"], got["output"])
    assert answers["output"].sum() == 6


def test_golden_answers_are_the_librarys_own(tmp_path: Path) -> None:
    x, y = zoo.rows()
    fitted = LogisticRegression().fit(x, y)
    joblib.dump(fitted, tmp_path / "model.joblib", compress=3)
    source = {"kind": "sklearn", "file": "model.joblib", "trust": True}
    answers = opened(tmp_path, source)[0].run({"features": x})
    np.testing.assert_array_equal(answers["label"], fitted.predict(x))
    np.testing.assert_array_equal(answers["probabilities"], fitted.predict_proba(x).astype(np.float32))
    wide = {**source, "inputs": {"numbers": {"dtype": "float64", "shape": ["batch", 8]}}}
    answers, got = converted(tmp_path, wide, {"numbers": x.astype(np.float64)})
    assert answers["probabilities"].dtype == np.float64
    same(answers, {name: got[name] for name in answers})


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, ("exploded", "w"))


@pytest.mark.parametrize(
    "write", [lambda p, o: p.write_bytes(pickle.dumps(o)), joblib.dump, lambda p, o: joblib.dump(o, p, compress=3)]
)
def test_a_pickle_that_executes_code_is_told_and_not_run(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bomb.joblib"
    write(*((Bomb(), path) if write is joblib.dump else (path, Bomb())))
    assert globals_in(read_beginning(path))[-1].endswith("io.open")
    with pytest.raises(UserError, match=r"would execute _?io\.open.*trust: true") as error:
        opened(tmp_path, {"kind": "sklearn", "file": "bomb.joblib"})
    assert error.value.key == "source.file" and not (tmp_path / "exploded").exists()


def test_skops_names_the_types_it_does_not_know(tmp_path: Path) -> None:
    from xgboost import XGBRegressor

    skops.io.dump(XGBRegressor(n_estimators=2).fit(*zoo.rows()), tmp_path / "model.skops")
    with pytest.raises(UserError, match=r"does not know as safe: .*xgboost\.sklearn\.XGBRegressor"):
        opened(tmp_path, {"kind": "sklearn", "file": "model.skops"})
    opened(tmp_path, {"kind": "sklearn", "file": "model.skops", "trust": True})


@pytest.mark.parametrize(("make", "kind", "file", "said"), [
    (zoo.random_forest, "sklearn", "model.joblib", "cannot be read"),
    (zoo.skops, "sklearn", "model.skops", "cannot be read: BadZipFile"),
    (zoo.xgboost_classifier, "xgboost", "model.json", "not a whole XGBoost model"),
    (zoo.lightgbm_classifier, "lightgbm", "model.txt", "lacks the line `end of trees`"),
])  # fmt: skip
def test_a_file_that_is_cut_off_is_said(make: Any, kind: str, file: str, said: str, tmp_path: Path) -> None:
    source = make(tmp_path)["source"]
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=said) as error:
        opened(tmp_path, source)
    assert error.value.key == "source.file"


def test_what_is_not_carried_is_said_with_what_to_do(tmp_path: Path) -> None:
    x, _ = zoo.rows()
    for estimator, said in (
        (LogisticRegression(), "fit it first"),
        ({"weights": x}, "holds a dict"),
    ):
        with pytest.raises(UserError, match=said):
            opened(tmp_path, zoo.pickled(tmp_path, estimator)["source"])
    with pytest.raises(ValueError, match="ends in none of"):
        sources()["sklearn"].Options(file="model.bin")


def test_an_estimator_without_a_converter_is_named(tmp_path: Path) -> None:
    from xgboost import XGBRFClassifier

    source = zoo.pickled(tmp_path, XGBRFClassifier(n_estimators=2).fit(*zoo.rows()))["source"]
    with pytest.raises(Unsupported, match="XGBRFClassifier"):
        converted(tmp_path, source, {"features": zoo.rows()[0]})


def test_models_are_told_apart_and_what_init_writes_can_be_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from optimize.execution.run import prepare

    monkeypatch.chdir(tmp_path)
    for make, file, kind in (
        (zoo.random_forest, "model.joblib", "sklearn"), (zoo.skops, "model.skops", "sklearn"),
        (zoo.xgboost_classifier, "model.json", "xgboost"), (zoo.lightgbm_classifier, "model.txt", "lightgbm"),
    ):  # fmt: skip
        make(tmp_path)
        assert look(tmp_path / file).kind == kind
        assert CliRunner().invoke(init, [file, "--force"], standalone_mode=False).exception is None
        assert prepare(tmp_path / "pipeline.yaml").file.pipeline.source.kind == kind
