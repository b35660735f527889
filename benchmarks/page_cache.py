"""Files out of the page cache, and the proof that they are."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path


def evict(paths: Iterable[Path]) -> bool:
    """Ask the kernel to drop these files from its page cache; whether it did, for all of them.

    It may not, without a word: on some file systems, or while another process maps the file.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    files = [path for path in paths if path.is_file() and path.stat().st_size]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # Dirty pages are not dropped.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return all(resident_share(path) == 0 for path in files)


def resident_share(path: Path) -> float:
    """Of a file's pages, how many are in memory (mincore(2)); 1 where the kernel does not say."""
    size = path.stat().st_size
    pages = -(-size // mmap.PAGESIZE)
    libc = ctypes.CDLL(None, use_errno=True)
    # A private writable map, since ctypes takes the address of writable memory only; nothing is written.
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE) as mapped:
        anchor = ctypes.c_char.from_buffer(mapped)
        vector = (ctypes.c_ubyte * pages)()
        failed = libc.mincore(ctypes.c_void_p(ctypes.addressof(anchor)), ctypes.c_size_t(size), vector)
        del anchor
    return 1.0 if failed else sum(page & 1 for page in vector) / pages
