"""What a pickle would execute, told from its instructions without carrying them out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickletools
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 64_000_000
"""Of a pickle that are looked at: what it imports stands before the numbers it holds."""
OPENERS: Mapping[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
"""Beginnings of the compressed files that joblib writes; zlib's own has no module that opens files."""


def read_beginning(path: Path) -> bytes:
    """Of the pickle, out of a compressed file where it stands in one."""
    with path.open("rb") as file:
        start = file.read(MOST_BYTES)
    try:
        for magic, opener in OPENERS.items():
            if start.startswith(magic):
                with opener(path) as file:
                    return bytes(file.read(MOST_BYTES))
        if start.startswith((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")):
            return zlib.decompressobj().decompress(start, MOST_BYTES)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        pass  # Not whole: reading it for good says so.
    return start


def globals_in(data: bytes) -> tuple[str, ...]:
    """Names that unpickling would import, in the order in which they stand."""
    names: list[str] = []
    strings: list[str] = [""]
    memo: dict[object, str] = {}
    stream = io.BytesIO(data)
    try:
        for opcode, argument, _ in _instructions(stream, len(data)):
            if opcode.name == "GLOBAL":
                names.append(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL" and len(strings) > 2:
                names.append(".".join(strings[-2:]))
            elif opcode.name == "MEMOIZE" or opcode.name.endswith("BINPUT"):
                # What is memoized may be no string; then the entry is one that no STACK_GLOBAL asks for.
                memo[len(memo) if argument is None else argument] = strings[-1]
            elif opcode.name.endswith("BINGET"):
                strings.append(memo.get(argument, ""))
            elif isinstance(argument, str):
                strings.append(argument)
    except ValueError:
        pass  # joblib puts raw arrays between the instructions; what stands before them is what counts.
    return tuple(dict.fromkeys(names))


def _instructions(stream: io.BytesIO, end: int) -> Iterator[tuple[pickletools.OpcodeInfo, object, int | None]]:
    """Of every pickle in the stream: an old torch.save puts several one behind the other."""
    while stream.tell() < end:
        yield from pickletools.genops(stream)
