"""`model.tar.gz`: written so that equal files are equal bytes, and unpacked so that nothing leaves the folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from optimize.digests import files_below
from optimize.errors import UserError

CHUNK = 2**20
SAMPLE_BYTES = 4 * 2**20
WORTHWHILE = 0.8
"""Trained weights shrink by 7 % (float32) to 12 % (int8) at any level of gzip, at 20 to 30 MB/s; stored, they are
written at 400 MB/s and unpacked at 800 instead of 190, which every start of the container pays. Only files that shrink
by more than a fifth (pruned weights, tables, text) are worth level 1; higher levels gain less than 1 % more."""


class _Digesting(io.RawIOBase):
    """Passes bytes on, and keeps their digest."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self._file.write(data)
        return len(data)


def write_archive(folder: Path, path: Path, level: int | None = None) -> str:
    """Pack `folder` into `path`, a few blocks at a time; gives the SHA-256 of what was written."""
    with path.open("wb") as file:
        digesting = _Digesting(file)
        chosen = choose_level(folder) if level is None else level
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=chosen, fileobj=digesting, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|", bufsize=CHUNK, format=tarfile.PAX_FORMAT) as tar,
        ):
            for source in files_below(folder):
                with source.open("rb") as content:
                    tar.addfile(_member(source, folder), content)
    return digesting.sha256.hexdigest()


def _member(source: Path, folder: Path) -> tarfile.TarInfo:
    """Name and size alone: neither the time, nor the owner, nor this machine's modes get in."""
    member = tarfile.TarInfo(source.relative_to(folder).as_posix())
    member.size = source.stat().st_size
    member.mode = 0o644
    return member


def choose_level(folder: Path) -> int:
    """0 (stored) or 1, by how the head of the largest file shrinks."""
    largest = max(files_below(folder), key=lambda path: path.stat().st_size)
    with largest.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    return 1 if len(zlib.compress(head, 1)) < WORTHWHILE * len(head) else 0


def unpack_archive(path: Path, folder: Path) -> None:
    """Unpack into `folder`, an empty one.

    Raises UserError for an archive that is cut off, or that holds anything but files and folders at relative names.
    """
    with _readable(path) as tar:
        for member in tar:
            _refuse_unsafe(member, path)
            if hasattr(tarfile, "data_filter"):
                tar.extract(member, folder, filter="data")
            else:  # Python before 3.11.4; the checks above are what keeps it inside.
                tar.extract(member, folder)


@contextmanager
def _readable(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r|gz", bufsize=CHUNK) as tar:
            yield tar
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `optimize run pipeline.yaml` makes a bundle") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is not a whole .tar.gz, as SageMaker wants it: {error or 'it is cut off'}") from error


def _refuse_unsafe(member: tarfile.TarInfo, path: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name:
        raise UserError(f"{path} holds {member.name!r}, which would be written outside the folder; nothing was served")
    if not (member.isfile() or member.isdir()):
        raise UserError(f"{path} holds {member.name!r}, which is a link or a device; a bundle holds files and folders")
