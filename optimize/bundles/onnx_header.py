"""What an ONNX file says of itself before its graph, read without its weights and without ONNX's own package.

Field numbers are those of ModelProto and OperatorSetIdProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from optimize.errors import UserError

IR_VERSION, OPSET_IMPORT = 1, 8
DOMAIN, VERSION = 1, 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SHORT = 2**10
"""An opset's entry is a few bytes; longer fields are the graph and its like."""


@dataclass(frozen=True)
class OnnxHeader:
    """`opset` is of ONNX's own domain; 0 where there is none."""

    ir: int
    opset: int


def read_header(path: Path) -> OnnxHeader:
    """Raises UserError for what is no ONNX file."""
    ir = opset = 0
    try:
        with path.open("rb") as file:
            for field, value in _fields(file, path.stat().st_size):
                if field == IR_VERSION and isinstance(value, int):
                    ir = value
                elif field == OPSET_IMPORT and isinstance(value, bytes):
                    entry = dict(_fields(io.BytesIO(value), len(value)))
                    if entry.get(DOMAIN, b"") in (b"", b"ai.onnx"):
                        opset = int(entry.get(VERSION, 0))
    except (ValueError, IndexError) as error:
        raise UserError(f"{path.name} is no ONNX file: {error}") from error
    return OnnxHeader(ir, opset)


def _fields(file: BinaryIO, size: int) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and short texts; what is longer is passed over."""
    while file.tell() < size:
        key = _varint(file)
        kind = key & 7
        if kind == VARINT:
            yield key >> 3, _varint(file)
        elif kind == BYTES:
            length = _varint(file)
            if length <= SHORT:
                yield key >> 3, file.read(length)
            else:
                file.seek(length, os.SEEK_CUR)
        elif kind in (FIXED32, FIXED64):
            file.seek(4 if kind == FIXED32 else 8, os.SEEK_CUR)
        else:
            raise ValueError(f"a field of kind {kind}")


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value
        shift += 7
