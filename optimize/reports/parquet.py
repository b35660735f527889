"""`measurements.parquet`, the table of `measurements.csv` with its types, and `samples.parquet`: every call that was
timed, with its generation, its round and its place in time. Asked for by `report: {parquet: true}`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from optimize.errors import UserError
from optimize.pipeline.schema import Reports
from optimize.reports.measurements import COLUMNS, rows
from optimize.reports.model import Report
from optimize.reports.write import write_file

LIBRARIES = {"parquet": "pyarrow", "mlflow": "mlflow"}
"""Key of `report` to the module that it needs; the extra is named as the key."""


def need_libraries(wanted: Reports) -> None:
    """Raises UserError before anything is run, not after an hour of measuring."""
    for key, module in LIBRARIES.items():
        if getattr(wanted, key) and find_spec(module) is None:
            raise UserError(
                f"{module} is not installed; type: pip install 'optimize-pipeline[{key}]', or take the key out",
                f"report.{key}",
            )


def write_parquet(report: Report, samples: Path | None, folder: Path) -> tuple[Path, ...]:
    """`samples` is the measure step's `samples.npz`. A file that would not change is left alone."""
    tables = {"measurements.parquet": _figures(report)}
    if samples is not None:
        tables["samples.parquet"] = _calls(samples)
    for name, columns in tables.items():
        write_file(folder / name, _bytes(columns))
    return tuple(folder / name for name in tables)


def _figures(report: Report) -> Mapping[str, Any]:
    """Values are float64, sizes too: a column has one type, and 2^53 bytes are enough."""
    found = list(zip(*rows(report), strict=True)) or [()] * len(COLUMNS)
    columns = dict(zip(COLUMNS, found, strict=True))
    return {
        name: np.array(values, np.float64) if name in ("value", "low", "high") else list(map(str, values))
        for name, values in columns.items()
    }


def _calls(samples: Path) -> Mapping[str, Any]:
    """Times are whole nanoseconds, `at_ns` since the first call; rows stand in the order of measuring."""
    with np.load(samples, allow_pickle=False) as arrays:
        names, at = arrays["names"].astype(str), arrays["at_ns"]
        return {
            "candidate": names[arrays["candidate"]].tolist(),
            "generation": arrays["generation"],
            "round": arrays["round"],
            "at_ns": at - at.min() if len(at) else at,
            "call_ns": arrays["ns"],
        }


def _bytes(columns: Mapping[str, Any]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({name: pyarrow.array(values, from_pandas=True) for name, values in columns.items()})
    written = io.BytesIO()
    pyarrow.parquet.write_table(table, written, compression="zstd")
    return written.getvalue()
