"""An `.npz` with one array per input, read row by row: NumPy itself would hold the whole arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from optimize.arrays import Array, Arrays, load_arrays
from optimize.data import Headers, check_headers, read_headers
from optimize.errors import UserError
from optimize.samples import Samples
from optimize.signature import Signature


def open_reader(place: str, wanted: Mapping[str, Any], signature: Signature, key: str) -> NpzReader:
    headers = read_headers(Path(place), key)
    check_headers(headers, signature, place, key)
    return NpzReader(Path(place), {spec.name: headers[spec.name] for spec in signature.inputs}, key)


class NpzReader:
    def __init__(self, path: Path, headers: Headers, key: str) -> None:
        self._path = path
        self._headers = headers
        self._key = key
        self.count = int(next(iter(headers.values())).shape[0])

    def batches(self, size: int, rows: int) -> Iterator[Arrays]:
        try:
            with ExitStack() as open_files:
                archive = open_files.enter_context(zipfile.ZipFile(self._path))
                members = {name: open_files.enter_context(archive.open(f"{name}.npy")) for name in self._headers}
                columns = {name for name, member in members.items() if _skip_header(member)}
                if columns:  # In Fortran's order the rows lie apart, and cannot be read one after the other.
                    whole = load_arrays(self._path)
                    yield from Samples({name: whole[name][:rows] for name in self._headers}).batches(size)
                    return
                for start in range(0, rows, size):
                    yield {name: self._read(name, m, min(size, rows - start)) for name, m in members.items()}
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise UserError(f"{self._path} is damaged: {error}", self._key) from error

    def _read(self, name: str, member: IO[bytes], rows: int) -> Array:
        spec = self._headers[name]
        shape = (rows, *(int(size) for size in spec.shape[1:]))
        count = int(np.prod(shape)) * np.dtype(spec.dtype).itemsize
        data = member.read(count)
        if len(data) != count:
            raise EOFError(f"{name} ends early")
        return np.frombuffer(data, spec.dtype).reshape(shape).copy()


def _skip_header(member: IO[bytes]) -> bool:
    """Whether the array lies in Fortran's order."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return bool(read(member)[1])
