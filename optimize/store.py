"""Content-addressed results of steps. An entry appears whole, by one rename, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from optimize.digests import digest_folder, digest_value

LAYOUT = "v1"
"""Changes whenever an entry written by an older release must not be read."""


class State(StrEnum):
    """How a step, or a candidate, ended."""

    OK = "ok"
    DRIFTED = "drifted"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"


LASTING = (State.OK, State.UNSUPPORTED)
"""States that the same inputs lead to again. The others may be the machine's doing, and are tried again."""


@dataclass(frozen=True)
class Entry:
    """One step's result: its record, and the folder with `files/`, `log.txt` and `request.json`."""

    path: Path
    record: Mapping[str, Any]

    @property
    def files(self) -> Path:
        return self.path / "files"

    @property
    def state(self) -> State:
        return State(self.record["state"])

    @property
    def reason(self) -> str:
        return str(self.record["reason"])

    @property
    def payload(self) -> Mapping[str, Any]:
        payload: Mapping[str, Any] = self.record["payload"]
        return payload

    @property
    def digest(self) -> str:
        """Of what the step made: equal results have equal digests, whichever step made them."""
        return digest_value({"files": self.record["files"], "payload": self.record["identity"]})

    @property
    def size_bytes(self) -> int:
        return sum(size for size in self.record["sizes"].values())


class Store:
    """A folder of entries by key."""

    def __init__(self, root: Path) -> None:
        self.root = root / "store" / LAYOUT
        self._failures = root / "failures"
        self._staging = root / "staging"

    def find(self, key: str) -> Entry | None:
        """The lasting result under `key`; None where there is none, or where its files are not as it left them."""
        path = self._place(key)
        try:
            record = json.loads((path / "record.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            self._remove(path)
            return None
        if record["sizes"] != _sizes(path / "files"):
            self._remove(path)
            return None
        return Entry(path, record)

    def publish(self, key: str, staged: Path, record: Mapping[str, Any]) -> Entry:
        """Make the staged folder the entry of `key`. Results that do not last go where `find` does not look."""
        files = staged / "files"
        files.mkdir(exist_ok=True)
        full = {"identity": record["payload"], **record, "files": digest_folder(files), "sizes": _sizes(files)}
        _write_json(staged / "record.json", full)
        _sync(staged)
        lasting = State(full["state"]) in LASTING
        path = self._place(key) if lasting else self._failures / key
        if not lasting:
            self._remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.rename(path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            shutil.rmtree(staged)  # Another run published the same result first.
            return Entry(path, json.loads((path / "record.json").read_text(encoding="utf-8")))
        return Entry(path, full)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder on the same file system, removed if it has not been published."""
        self._staging.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self._staging))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def clear_staging(self) -> None:
        """Remove what killed runs left behind. Only for the holder of the working directory's lock."""
        shutil.rmtree(self._staging, ignore_errors=True)

    def _place(self, key: str) -> Path:
        return self.root / key[:2] / key[2:]

    def _remove(self, path: Path) -> None:
        """Out of sight first, by one rename, so that no half-deleted entry is ever read."""
        if not path.exists():
            return
        self._staging.mkdir(parents=True, exist_ok=True)
        grave = Path(tempfile.mkdtemp(dir=self._staging))
        path.rename(grave / "entry")
        shutil.rmtree(grave, ignore_errors=True)


def _sizes(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sync(folder: Path) -> None:
    """To the disk, files before the folder: after a power cut the rename must not stand without the bytes."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is at every moment either the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
