"""Calibration data, one module per kind, streamed: no more than a batch is in memory.

A module has `open_reader(place, wanted, signature, key)`, which gives a `Reader` or raises UserError with the key.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from optimize.calibration.reader import Reader
from optimize.calibration.stream import Stream
from optimize.signature import Signature

TABLE = {
    "file": "optimize.calibration.npz_file",
    "folder": "optimize.calibration.npy_folder",
    "generator": "optimize.calibration.generator",
    "dataset": "optimize.calibration.dataset",
    "images": "optimize.calibration.images",
}
KEY = "data.calibration"


def open_calibration(wanted: Mapping[str, Any], signature: Signature) -> Stream:
    """`wanted` has `kind`, `place` (absolute), `rows` (or None) and what else the kind reads."""
    module = importlib.import_module(TABLE[wanted["kind"]])
    reader: Reader = module.open_reader(wanted["place"], wanted, signature, KEY)
    return Stream(reader, signature, wanted["place"], wanted["rows"], KEY)
