"""A folder of `.npy`: for each input `NAME.npy`, rows along its first dimension, or a folder `NAME` with one row per
file, by sorted name. A model with one input may have the files of its rows in the folder itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.calibration.stream import stack
from optimize.data import check_headers
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec

Take = Callable[[int, int], Array]


def open_reader(place: str, wanted: Mapping[str, Any], signature: Signature, key: str) -> NpyReader:
    folder = Path(place)
    if not folder.is_dir():
        raise UserError(f"{place} is not a folder; give one of .npy files, or `file: ....npz`", key)
    columns = {spec.name: _column(folder, spec, signature, key) for spec in signature.inputs}
    check_headers({name: header for name, (header, _) in columns.items()}, signature, place, key)
    return NpyReader({name: take for name, (_, take) in columns.items()}, columns)


class NpyReader:
    def __init__(self, take: Mapping[str, Take], columns: Mapping[str, tuple[TensorSpec, Take]]) -> None:
        self._take = take
        self.count = int(next(iter(columns.values()))[0].shape[0])

    def batches(self, size: int, rows: int) -> Iterator[Arrays]:
        for start in range(0, rows, size):
            yield {name: take(start, min(start + size, rows)) for name, take in self._take.items()}


def _column(folder: Path, spec: TensorSpec, signature: Signature, key: str) -> tuple[TensorSpec, Take]:
    whole, apart = folder / f"{spec.name}.npy", folder / spec.name
    if whole.is_file():
        mapped = _open(whole, key)
        header = TensorSpec(spec.name, mapped.dtype.name, mapped.shape)
        # Mapped anew each time: pages that were read count as the process's own for as long as the map is there.
        return header, lambda start, stop: np.array(_open(whole, key)[start:stop])
    files = sorted(apart.glob("*.npy")) if apart.is_dir() else []
    if not files and len(signature.inputs) == 1:
        files = sorted(folder.glob("*.npy"))
    if not files:
        raise UserError(f"{folder} holds neither {spec.name}.npy nor a folder {spec.name} of .npy files", key)
    first = _open(files[0], key)

    def take(start: int, stop: int) -> Array:
        return stack([{spec.name: _open(file, key)} for file in files[start:stop]], str(folder), key)[spec.name]

    return TensorSpec(spec.name, first.dtype.name, (len(files), *first.shape)), take


def _open(file: Path, key: str) -> Array:
    try:
        array: Array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(
            f"{file} is not a whole .npy file ({error}); write it with numpy.save(path, array)", key
        ) from error
    return array
