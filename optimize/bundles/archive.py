"""`model.tar.gz`: written so that equal files are equal bytes, and unpacked so that nothing leaves the folder."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from optimize.bundles.gzip_blocks import GzipBlocks
from optimize.digests import files_below
from optimize.errors import UserError

CHUNK = 2**20
SAMPLE_BYTES = 4 * 2**20
WORTHWHILE = 0.8
"""Trained weights shrink by 7 % (float32) to 12 % (int8) at any level of gzip, at 20 to 30 MB/s; stored, they are
written at 400 MB/s and unpacked at 800 instead of 190, which every start of the container pays. Only files that shrink
by more than a fifth (pruned weights, tables, text) are worth level 1; higher levels gain less than 1 % more."""


def write_archive(folder: Path, path: Path, level: int | None = None, threads: int | None = None) -> str:
    """Pack `folder` into `path`, a few blocks at a time; gives the SHA-256 of what was written.

    `level` is chosen by the files where it is None; `threads`, by default one for each core, do not change the bytes.
    """
    chosen = choose_level(folder) if level is None else level
    digest = hashlib.sha256()
    with path.open("wb") as file:

        def sink(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        with (
            GzipBlocks(sink, chosen, threads or os.cpu_count() or 1) as zipped,
            tarfile.open(fileobj=cast(IO[bytes], zipped), mode="w|", bufsize=CHUNK, format=tarfile.PAX_FORMAT) as tar,
        ):
            for source in files_below(folder):
                with source.open("rb") as content:
                    tar.addfile(_member(source, folder), content)
    return digest.hexdigest()


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
