"""SHA-256 of values, files and folders, by content alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def digest_value(value: Any) -> str:
    """Of a JSON value; the order of keys does not count."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(paths: Iterable[Path]) -> str:
    """Of the contents in the order given; names do not count."""
    return digest_value([digest_file(path) for path in paths])


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def digest_folder(folder: Path) -> dict[str, str]:
    """Relative path to digest of every file below `folder`."""
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files_below(folder)}
