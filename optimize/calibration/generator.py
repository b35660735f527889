"""A function of the user's, `module.py:function`, that yields rows: a mapping of input names to arrays, without the
dimension of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Arrays
from optimize.calibration.stream import stack
from optimize.errors import UserError
from optimize.signature import Signature
from optimize.sources.user_code import load_reference


def open_reader(place: str, wanted: Mapping[str, Any], signature: Signature, key: str) -> GeneratedReader:
    function = load_reference(place, Path(wanted["base"]), key)
    if not callable(function):
        raise UserError(f"{place} is not a function that yields rows", key)
    return GeneratedReader(function, place, int(wanted["rows"]), key)


class GeneratedReader:
    def __init__(self, function: Any, name: str, count: int, key: str) -> None:
        self._function = function
        self._name = name
        self._key = key
        self.count = count

    def batches(self, size: int, rows: int) -> Iterator[Arrays]:
        source = self._rows()
        for start in range(0, rows, size):
            wanted = min(size, rows - start)
            taken = list(islice(source, wanted))
            if len(taken) < wanted:
                raise UserError(
                    f"{self._name} yielded {start + len(taken)} rows, and `rows: {rows}` asks for more", self._key
                )
            yield stack(taken, self._name, self._key)

    def _rows(self) -> Iterator[Arrays]:
        try:
            made: Iterable[Any] = self._function()
            for row in made:
                if not isinstance(row, Mapping):
                    raise UserError(
                        f"{self._name} yielded a {type(row).__name__}; expected a mapping of input names to arrays",
                        self._key,
                    )
                yield {name: np.asarray(value) for name, value in row.items()}
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self._name} raised {type(error).__name__}: {error}", self._key) from error
