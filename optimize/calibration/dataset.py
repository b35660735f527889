"""A folder as `datasets.Dataset.save_to_disk` writes it: columns named as the inputs, in Arrow's stream format.

Read by pyarrow, so that the library itself is not needed. Python's numbers are wider than most models want: integers
and floats become those of the signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.calibration.images import Transform
from optimize.calibration.stream import stack
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec


def open_reader(place: str, wanted: Mapping[str, Any], signature: Signature, key: str) -> ArrowReader:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise UserError("reading a dataset needs pyarrow; type: pip install pyarrow", key) from None
    folder = Path(place)
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files = [folder / one["filename"] for one in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        splits = ", ".join(sorted(path.parent.name for path in folder.glob("*/state.json")))
        hint = f"; it holds the splits {splits}, give one of them" if splits else ""
        raise UserError(f"{place} is not a folder that Dataset.save_to_disk wrote{hint} ({error})", key) from error
    if state.get("_indices_files"):
        raise UserError(f"{place} was saved with indices; save it after Dataset.flatten_indices()", key)
    return ArrowReader(files, signature, Transform.of(wanted), place, key)


class ArrowReader:
    def __init__(self, files: list[Path], signature: Signature, transform: Transform, where: str, key: str) -> None:
        self._files = files
        self._specs = signature.inputs
        self._transform = transform
        self._where = where
        self._key = key
        self.count = sum(batch.num_rows for batch in self._batches(mapped=True))

    def _batches(self, mapped: bool) -> Iterator[Any]:
        """Record batches. Mapped, their values are not read unless they are asked for, and then count as the process's
        own to the end of the file."""
        import pyarrow

        open_file = pyarrow.memory_map if mapped else pyarrow.OSFile
        for file in self._files:
            try:
                with open_file(str(file)) as source, pyarrow.ipc.open_stream(source) as stream:
                    yield from stream
            except (OSError, pyarrow.ArrowInvalid) as error:
                raise UserError(f"{file} is not a file of {self._where}: {error}", self._key) from error

    def batches(self, size: int, rows: int) -> Iterator[Arrays]:
        taken: list[Arrays] = []
        left = rows
        for batch in self._batches(mapped=False):
            columns = {spec.name: self._column(batch, spec.name) for spec in self._specs}
            for index in range(min(batch.num_rows, left)):
                taken.append({s.name: self._value(columns[s.name][index].as_py(), s) for s in self._specs})
                left -= 1
                if len(taken) == size or not left:
                    yield stack(taken, self._where, self._key)
                    taken = []
            if not left:
                return

    def _column(self, batch: Any, name: str) -> Any:
        if name not in batch.schema.names:
            raise UserError(f"{self._where} has no column {name!r}; it has {', '.join(batch.schema.names)}", self._key)
        return batch.column(name)

    def _value(self, value: Any, spec: TensorSpec) -> Array:
        if isinstance(value, dict) and "bytes" in value:
            return self._transform.open(value["bytes"], spec, self._where, self._key)
        array = np.asarray(value)
        wanted = np.dtype(spec.dtype)
        return array.astype(wanted) if np.can_cast(array.dtype, wanted, "same_kind") else array
