"""Whether a bundle is what its manifest says, read from its files alone: nothing in it is run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.bundles import materials
from optimize.bundles.archive import unpack_archive
from optimize.bundles.manifest import FILE, Manifest, read_manifest, wrong_files
from optimize.digests import digest_file, digest_folder
from optimize.signature import Signature


@dataclass(frozen=True)
class Verdict:
    """`facts` are what the manifest says, for a person; `problems` what does not hold."""

    facts: tuple[str, ...]
    problems: tuple[str, ...]


def verify(path: Path, folder: Path, sources: Sequence[Path] = ()) -> Verdict:
    """Unpacks into `folder`, which is made. Raises UserError for what is no bundle of ours, or not a whole one."""
    folder.mkdir()
    unpack_archive(path, folder)
    manifest = read_manifest(folder)
    problems = wrong_files(folder, manifest) + _wrong_bill(folder, manifest) + _unknown_sources(manifest, sources)
    facts = (
        f"{path.name} sha256 {digest_file(path)}",
        f"{manifest.name}: {manifest.candidate} for the {manifest.container} container",
        f"signature {Signature.from_json(manifest.signature)}",
        f"made with {', '.join(f'{name} {version}' for name, version in sorted(manifest.versions.items()))}",
        f"{len(manifest.files)} files with digests",
    )
    return Verdict(facts, tuple(problems))


def _wrong_bill(folder: Path, manifest: Manifest) -> list[str]:
    """The bill is made again from the files, and must come out the same."""
    path = folder / materials.FILE
    if not path.is_file():
        return []  # Named among the missing files already.
    files = {name: digest for name, digest in digest_folder(folder).items() if name not in (FILE, materials.FILE)}
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return [f"{materials.FILE} is not JSON: {error}"]
    made = materials.bill_of_materials(manifest.name, folder, files)
    return [] if written == made else [f"{materials.FILE} does not list what is in the bundle"]


def _unknown_sources(manifest: Manifest, sources: Sequence[Path]) -> list[str]:
    """Each must be one whose digest stands somewhere in the provenance."""
    known = set(_strings(manifest.provenance))
    return [f"{path} is not among the sources: its digest is not in the manifest" for path in sources
            if digest_file(path) not in known]  # fmt: skip


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []
