"""`bundle.json` at the root of a bundle: what is in it and where it came from, with no time and no machine's path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from optimize.digests import digest_folder
from optimize.errors import UserError

FILE = "bundle.json"
"""Not `manifest.json`: multi-model-server takes such a file for one of its own, and ends with a null pointer."""
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """`files` are digests of every other file; `provenance` is what the run says of itself."""

    name: str
    candidate: str
    container: str
    format: str
    quantization: str
    signature: Mapping[str, Any]
    files: Mapping[str, str]
    versions: Mapping[str, str]
    provenance: Mapping[str, Any]
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=1, sort_keys=True, allow_nan=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Raises UserError where there is none, or one of another schema."""
    try:
        value = json.loads((folder / FILE).read_text(encoding="utf-8"))
        version = value["schema_version"]
        if version == SCHEMA_VERSION:
            return Manifest(**value)
    except FileNotFoundError:
        raise UserError(f"the bundle has no {FILE}: this tool did not make it") from None
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{FILE} of the bundle is not one this tool wrote: {error}") from error
    raise UserError(f"{FILE} is of schema version {version}, and this release reads {SCHEMA_VERSION}")


def wrong_files(folder: Path, manifest: Manifest) -> list[str]:
    """In words, every file that is not as the manifest says."""
    found = digest_folder(folder)
    found.pop(FILE, None)
    missing = [f"{name} is missing" for name in manifest.files if name not in found]
    extra = [f"{name} is not in the manifest" for name in found if name not in manifest.files]
    changed = [f"{name} was changed" for name, digest in manifest.files.items() if found.get(name, digest) != digest]
    return missing + extra + changed
