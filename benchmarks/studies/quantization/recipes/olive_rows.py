"""Olive's user script: the calibration rows as a data set."""

from pathlib import Path

import numpy as np
from olive.data.registry import Registry


@Registry.register_dataset()
def study_rows(model: str, inputs: list, **_):  # type: ignore[no-untyped-def,type-arg]  # noqa: ANN201
    with np.load(Path(model) / "calibration.npz") as file:
        rows = {name: file[name] for name in inputs}
    return [({name: array[i] for name, array in rows.items()}, 0) for i in range(len(rows[inputs[0]]))]
