"""The inputs of a scikit-learn estimator: one matrix of numbers, or named columns where it picks columns by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from optimize.arrays import Array, Arrays
from optimize.data import random_rows
from optimize.errors import UserError
from optimize.samples import Samples
from optimize.signature import Signature, TensorSpec

MATRIX = "features"
"""The name of the one input, where the inputs are not columns."""
DOCUMENTS = "text"
"""The name of the one input of what counts words, CountVectorizer and its like."""
KINDS = {"i": "int64", "u": "int64", "b": "bool", "O": "str", "U": "str"}
"""Of an encoder's categories, to what a column of them is; else it is float32."""


def infer_inputs(estimator: Any) -> tuple[TensorSpec, ...]:
    """Raises UserError where the estimator was not fitted, or does not say how many features it takes."""
    columns = find_columns(estimator)
    if columns:
        return tuple(TensorSpec(name, _column_dtype(known), ("batch", 1)) for name, known in columns.items())
    if takes_documents(estimator):
        return (TensorSpec(DOCUMENTS, "str", ("batch", 1)),)
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise UserError(
            f"{type(estimator).__name__} does not say how many features it takes: fit it first, or write "
            f"`inputs: {{{MATRIX}: {{dtype: float32, shape: [batch, 4]}}}}` under `source`",
            "source.inputs",
        )
    return (TensorSpec(MATRIX, "float32", ("batch", int(count))),)


def find_columns(estimator: Any) -> dict[str, Array | None]:
    """Columns that the first step picks by name, with the categories they have where an encoder knows them."""
    first = _first_step(estimator)
    if not hasattr(first, "transformers_") or not hasattr(first, "feature_names_in_"):
        return {}
    picked = [(inner, columns) for _, inner, columns in first.transformers_ if not _is_dropped(inner)]
    if not any(_by_name(columns) for _, columns in picked):
        return {}
    found: dict[str, Array | None] = {}
    for inner, columns in picked:
        names = _names(columns, list(first.feature_names_in_))
        found |= {name: found.get(name) for name in names} | _categories(inner, names)
    return {name: found[name] for name in first.feature_names_in_ if name in found}


def _first_step(estimator: Any) -> Any:
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[0][1]
    return estimator


def _is_dropped(inner: Any) -> bool:
    return isinstance(inner, str) and inner == "drop"


def _by_name(columns: Any) -> bool:
    return isinstance(columns, str) or (isinstance(columns, Sequence) and any(isinstance(c, str) for c in columns))


def _names(columns: Any, all_names: Sequence[str]) -> list[str]:
    """Of a selection as ColumnTransformer takes it: names, positions, a slice or a mask."""
    import numpy as np

    if isinstance(columns, str):
        return [columns]
    if _by_name(columns):
        return [str(name) for name in columns]
    return [str(name) for name in np.atleast_1d(np.asarray(all_names, dtype=object)[columns])]


def _categories(inner: Any, names: Sequence[str]) -> dict[str, Array | None]:
    for step in _steps(inner):
        if hasattr(step, "categories_") and len(step.categories_) == len(names):
            return dict(zip(names, step.categories_, strict=True))
    return {}


def _steps(inner: Any) -> Iterator[Any]:
    if not hasattr(inner, "steps"):
        yield inner
        return
    for _, step in inner.steps:
        yield from _steps(step)


def _column_dtype(categories: Array | None) -> str:
    return "float32" if categories is None else KINDS.get(categories.dtype.kind, "float32")


def float_dtype(signature: Signature) -> str:
    return "float64" if any(spec.dtype == "float64" for spec in signature.inputs) else "float32"


def takes_documents(estimator: Any) -> bool:
    """Whether it begins by counting words, and takes a list of texts."""
    return hasattr(_first_step(estimator), "build_analyzer")


def as_table(inputs: Arrays, signature: Signature, documents: bool = False) -> Any:
    """The one matrix, the one list of texts, or a data frame of columns."""
    first = signature.inputs[0]
    if len(signature.inputs) == 1 and first.shape[1:] != (1,):
        return inputs[first.name]
    if documents:
        return inputs[first.name][:, 0]
    import pandas

    columns = {name: inputs[name][:, 0] for name in signature.input_names}
    return pandas.DataFrame({name: c.astype(object) if c.dtype.kind == "U" else c for name, c in columns.items()})


def draw_samples(signature: Signature, estimator: Any, rows: int) -> Samples:
    """Normal numbers; of categories and words those that are known."""
    import numpy as np

    rng = np.random.default_rng(0)
    arrays = random_rows(signature, rows, {}).arrays
    words = getattr(_first_step(estimator), "vocabulary_", None)
    if words and takes_documents(estimator):
        texts = [" ".join(map(str, rng.choice(sorted(words), 6))) for _ in range(rows)]
        arrays[signature.inputs[0].name] = np.array(texts, dtype=str)[:, None]
    for name, known in find_columns(estimator).items():
        if known is not None and name in arrays:
            plain = np.array([value for value in known if value is not None and value == value])
            drawn = rng.choice(plain, arrays[name].shape)
            arrays[name] = drawn.astype(str if arrays[name].dtype.kind == "U" else arrays[name].dtype)
    return Samples(arrays)
