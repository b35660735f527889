"""What the boosters of XGBoost and LightGBM share: a matrix in, classes or numbers out."""

from __future__ import annotations

from collections.abc import Callable

from optimize.arrays import Array, Arrays
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources.modules import first_line

Predict = Callable[[Array], Array]


class BoosterSource:
    """A classifier gives `label` and `probabilities`; anything else `output`, in float32."""

    threads: int | None = None

    def __init__(self, predict: Predict, classifies: bool, features: int, declared: Signature) -> None:
        inputs = declared.inputs or (TensorSpec("features", "float32", ("batch", features)),)
        self.signature = Signature(inputs, ranges=declared.ranges)
        self._predict = predict
        self._classifies = classifies

    def run(self, inputs: Arrays) -> Arrays:
        matrix = inputs[self.signature.input_names[0]]
        try:
            values = self._predict(matrix).astype("float32")
        except Exception as error:
            message = f"the model refuses {list(matrix.shape)} numbers: {type(error).__name__}: {first_line(error)}"
            raise UserError(message, "source.inputs") from error
        return _as_classes(values) if self._classifies else {"output": values}


def _as_classes(values: Array) -> Arrays:
    """Of [rows] probabilities of the second of two classes, or [rows, classes]."""
    import numpy as np

    probabilities = values if values.ndim == 2 else np.stack([1 - values, values], axis=1)
    return {"label": probabilities.argmax(1).astype("int64"), "probabilities": probabilities}
