"""NumPy arrays by name: what crosses every boundary. On disk they are `.npz`, never pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


def dtype_name(dtype: np.dtype[Any]) -> str:
    """NumPy's name of the element type; text of any length is `str`."""
    return "str" if dtype.kind == "U" else dtype.name


def as_text(array: Array) -> Array:
    """Text as runtimes give it, Python strings or UTF-8 in an array of objects, as NumPy's own strings; other arrays as
    they are."""
    if array.dtype.kind not in "OS":
        return array
    plain = [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]
    return np.array(plain, dtype=str).reshape(array.shape)


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    # np.savez stamps members with a fixed date, so that equal arrays are equal bytes.
    np.savez(path, **{name: np.ascontiguousarray(value) for name, value in arrays.items()})  # type: ignore[arg-type]


def load_arrays(path: Path) -> Arrays:
    """Raises ValueError for a file with pickled objects in it."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
