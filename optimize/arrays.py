"""NumPy arrays by name: what crosses every boundary. On disk they are `.npz`, never pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    # np.savez stamps members with a fixed date, so that equal arrays are equal bytes.
    np.savez(path, **{name: np.ascontiguousarray(value) for name, value in arrays.items()})  # type: ignore[arg-type]


def load_arrays(path: Path) -> Arrays:
    """Raises ValueError for a file with pickled objects in it."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
