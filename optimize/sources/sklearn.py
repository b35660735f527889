"""scikit-learn: an estimator or a pipeline, pickled, or saved by skops.

It is given float32, unless the file says float64, and its answers are rounded to that: scikit-learn's trees compare
float32 whatever they are given, and so do the converted ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from optimize.arrays import Array, Arrays, dtype_name
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.samples import Samples
from optimize.signature import Signature
from optimize.sources.base import SourceOptions
from optimize.sources.estimator_inputs import (
    as_table,
    draw_samples,
    float_dtype,
    infer_inputs,
    takes_documents,
)
from optimize.sources.modules import first_line
from optimize.sources.pickles import globals_in, read_beginning
from optimize.stages import RuntimeSettings

kind = "sklearn"
libraries = ("scikit-learn", "joblib", "skops")
read_as = ()

PICKLES = (".pkl", ".pickle", ".joblib")
KEY = "source.file"


class Options(SourceOptions):
    """A scikit-learn estimator or pipeline, also with the estimators of XGBoost and LightGBM in it."""

    kind: Literal["sklearn"] = "sklearn"
    file: str
    """`.skops`, or a pickle (`.pkl`, `.pickle`, `.joblib`), which needs `trust: true`."""

    @field_validator("file")
    @classmethod
    def _known_suffix(cls, value: str) -> str:
        if Path(value).suffix not in (*PICKLES, ".skops"):
            raise ValueError(f"{value!r} ends in none of .skops, {', '.join(PICKLES)}; rename it to what it is")
        return value

    def paths(self) -> dict[str, str]:
        return {"file": self.file}


def prepare(settings: RuntimeSettings) -> None:
    """scikit-learn predicts in one thread, unless the estimator itself was made with n_jobs."""


def read(model: Artifact) -> Any:
    return load_estimator(model)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> EstimatorSource:
    inputs = model.signature.inputs or infer_inputs(loaded)
    return EstimatorSource(loaded, Signature(inputs, ranges=model.signature.ranges))


class EstimatorSource:
    """A classifier gives `label` and, where it has them, `probabilities`; clusters and outliers are a `label` too; what
    a regressor predicts or a transformer gives is `output`."""

    threads: int | None = None

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self.signature = signature
        self._estimator = estimator
        self._float = float_dtype(signature)
        self._documents = takes_documents(estimator)

    def run(self, inputs: Arrays) -> Arrays:
        try:
            answers = _answers(self._estimator, as_table(inputs, self.signature, self._documents))
        except UserError:
            raise
        except Exception as error:
            given = ", ".join(f"{name}: {dtype_name(a.dtype)}{list(a.shape)}" for name, a in inputs.items())
            message = f"the model refuses its signature ({given}): {type(error).__name__}: {first_line(error)}"
            raise UserError(message, "source.inputs") from error
        return {name: self._plain(value) for name, value in answers.items()}

    def _plain(self, value: Any) -> Array:
        """As the formats have it: dense, whole numbers as int64, text, the rest as the inputs are."""
        import numpy as np

        array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
        if array.dtype.kind in "OU":
            return array.astype(str)
        return array.astype("int64" if array.dtype.kind in "biu" else self._float)

    def samples(self, rows: int) -> Samples:
        return draw_samples(self.signature, self._estimator, rows)


def _answers(estimator: Any, table: Any) -> dict[str, Any]:
    from sklearn.base import is_classifier, is_clusterer, is_outlier_detector

    if is_classifier(estimator):
        return _classes(estimator, table)
    if hasattr(estimator, "predict"):
        labels = is_clusterer(estimator) or is_outlier_detector(estimator)
        return {"label" if labels else "output": estimator.predict(table)}
    return {"output": estimator.transform(table)}


def _classes(estimator: Any, table: Any) -> dict[str, Any]:
    import numpy as np

    labels = np.asarray(estimator.predict(table))
    if labels.ndim > 1:
        raise UserError("the classifier predicts several labels at once; one label for each row is carried", KEY)
    # Classes that were numbers with a point (0.0, 1.0) are whole numbers in ONNX.
    answers = {"label": labels.astype("int64") if labels.dtype.kind == "f" else labels}
    if hasattr(estimator, "predict_proba"):
        answers["probabilities"] = estimator.predict_proba(table)
    return answers


def load_estimator(model: Artifact) -> Any:
    """Raises UserError (`source.file`) for what needs trust, is not whole, or is no fitted estimator."""
    path = model.path / model.options["file"]
    load = _load_skops if path.suffix == ".skops" else _load_pickle
    estimator = load(path, model.options["trust"])
    if not hasattr(estimator, "fit") or not (hasattr(estimator, "predict") or hasattr(estimator, "transform")):
        raise UserError(f"{path} holds a {type(estimator).__name__}; give a fitted estimator or pipeline", KEY)
    return estimator


def _load_pickle(path: Path, trust: bool) -> Any:
    if not trust:
        executed = _some(globals_in(read_beginning(path))) or "code of its own"
        raise UserError(
            f"{path} is a pickle: opening it would execute {executed}. If you made it yourself, put `trust: true` "
            f"under `source`; or save the model with skops.io.dump(model, 'model.skops'), which needs no trust",
            KEY,
        )
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:  # A pickle raises whatever the code in it does.
        raise UserError(_unreadable(path, error), KEY) from error


def _load_skops(path: Path, trust: bool) -> Any:
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
        if not unknown or trust:
            return skops.io.load(path, trusted=unknown)
    except Exception as error:  # A zip of JSON and arrays that is not whole fails in many ways.
        raise UserError(_unreadable(path, error), KEY) from error
    raise UserError(
        f"{path} holds types that skops does not know as safe: {_some(unknown)}. If you trust them, put `trust: true` "
        f"under `source`",
        KEY,
    )


def _unreadable(path: Path, error: Exception) -> str:
    return (
        f"{path} cannot be read: {type(error).__name__}: {first_line(error)}; save the model anew, with the versions "
        f"that are installed here"
    )


def _some(names: Any, most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
