"""One gzip member, its blocks compressed by several threads. The bytes are the same for any number of them.

Each block is deflated by itself, with the end of the block before it as dictionary, and ends on a byte (a sync flush),
so that the blocks one after the other are one stream: RFC 1951, section 3.2.4, and RFC 1952.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

BLOCK = 2**20
WINDOW = 2**15
"""How far deflate looks back."""
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""No name, no time, no system: equal inputs, equal bytes."""
LAST = b"\x03\x00"
"""An empty block with the mark of the last."""


class GzipBlocks:
    """Takes bytes by `write`, gives compressed ones to `sink`, in order; few blocks are in memory at any time."""

    def __init__(self, sink: Callable[[bytes], object], level: int, threads: int) -> None:
        self._sink = sink
        self._level = level
        self._pool = ThreadPoolExecutor(threads)
        self._most = 2 * threads
        self._waiting: deque[Future[bytes]] = deque()
        self._buffer = bytearray()
        self._before = b""
        self._crc = 0
        self._size = 0
        sink(HEADER)

    def write(self, data: bytes) -> int:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._buffer += data
        while len(self._buffer) >= BLOCK:
            self._submit(bytes(self._buffer[:BLOCK]))
            del self._buffer[:BLOCK]
        return len(data)

    def _submit(self, block: bytes) -> None:
        self._waiting.append(self._pool.submit(_deflate, block, self._before, self._level))
        self._before = block[-WINDOW:]
        if len(self._waiting) > self._most:
            self._sink(self._waiting.popleft().result())

    def __enter__(self) -> GzipBlocks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._submit(bytes(self._buffer))
            for future in self._waiting:
                self._sink(future.result())
            self._sink(LAST + struct.pack("<II", self._crc, self._size % 2**32))
        self._pool.shutdown(cancel_futures=True)


def _deflate(block: bytes, before: bytes, level: int) -> bytes:
    """zlib lets go of the interpreter while it works, so that threads do run at a time."""
    # Stored blocks refer to nothing, and zlib would only copy the dictionary.
    dictionary = {"zdict": before} if before and level else {}
    deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, **dictionary)  # type: ignore[arg-type]
    return deflater.compress(block) + deflater.flush(zlib.Z_SYNC_FLUSH)
