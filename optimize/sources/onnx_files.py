"""Which files an ONNX model lies in, read from the model itself with no library, and without its weights.

A model is a protobuf message (https://protobuf.dev/programming-guides/encoding): each field a number, a kind and, for
what may hold other messages, a length, by which everything of no interest here is stepped over.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from optimize.errors import UserError

# Fields of onnx.proto that lead to tensors: number to the message it holds.
_MESSAGES: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


class _Broken(Exception):
    """What is there does not read as a protobuf message."""


def external_files(file: Path) -> tuple[Path, ...]:
    """Where the weights lie that are not in `file`. Raises UserError where it is cut off, or names a file that is cut
    off, not there or not beside it."""
    needed: dict[str, int] = {}
    for location, size in _locations(file):
        name = Path(location).as_posix()
        needed[name] = max(size, needed.get(name, 0))
    for name, size in sorted(needed.items()):
        _check(file, name, size)
    return tuple(file.parent / name for name in sorted(needed))


def _locations(file: Path) -> set[tuple[str, int]]:
    if not file.stat().st_size:
        raise UserError(f"{file} is empty; export the model again", "source.file")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return set(_walk(data, 0, len(data), "model"))
        except (_Broken, ValueError) as error:
            raise UserError(
                f"{file} is not a whole ONNX model: {error}; copy it again, or export it again", "source.file"
            ) from error


def _check(file: Path, location: str, size: int) -> None:
    path = file.parent / location
    if Path(location).is_absolute() or ".." in Path(location).parts:
        raise UserError(
            f"{file} keeps weights in {location}, which is not beside it; save it again with a relative location",
            "source.file",
        )
    if not path.is_file():
        raise UserError(
            f"{file} keeps weights in {location}, which is not there; put that file beside the model", "source.file"
        )
    there = path.stat().st_size
    if there < size:
        raise UserError(
            f"{file} keeps weights in {location}, which is cut short: it has {there} bytes, and the model reads {size}"
            f"; copy that file again, or export the model again",
            "source.file",
        )


def _walk(data: mmap.mmap, start: int, end: int, message: str) -> Iterator[tuple[str, int]]:
    """External locations in this message and those inside, and up to which byte each is read."""
    entries: dict[bytes, bytes] = {}
    for number, first, last in _fields(data, start, end):
        inner = _MESSAGES[message].get(number)
        if inner == "entry":
            entries |= _entry(data, first, last)
        elif inner is not None:
            yield from _walk(data, first, last, inner)
    if b"location" in entries:
        yield entries[b"location"].decode(), int(entries.get(b"offset", 0)) + int(entries.get(b"length", 0))


def _entry(data: mmap.mmap, start: int, end: int) -> dict[bytes, bytes]:
    """Of a StringStringEntryProto: its key and value."""
    entry = {number: data[first:last] for number, first, last in _fields(data, start, end)}
    return {entry.get(1, b""): entry.get(2, b"")}


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of every field that has a length."""
    at = start
    while at < end:
        tag, at = _number(data, at, end)
        kind, size = tag & 7, 0
        if kind == _VARINT:
            _, at = _number(data, at, end)
        elif kind == _BYTES:
            size, at = _number(data, at, end)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise _Broken(f"byte {at} begins no field")
        if at + size > end:
            raise _Broken(f"it ends at byte {end}, within something that goes on to byte {at + size}")
        if kind == _BYTES:
            yield tag >> 3, at, at + size
        at += size


def _number(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, and where it ends."""
    value, shift = 0, 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise _Broken(f"it ends at byte {end}, within a number")
