"""The bill of materials in CycloneDX 1.5: what a bundle's requirements.txt installs, and what its own files are.

https://cyclonedx.org/docs/1.5/json/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "bom.cdx.json"
REQUIREMENTS = "code/requirements.txt"


def bill_of_materials(name: str, folder: Path, files: Mapping[str, str]) -> dict[str, Any]:
    """No serial number and no time stand in it, both of which the standard leaves free: equal inputs, equal bytes."""
    requirements = folder / REQUIREMENTS
    lines = requirements.read_text(encoding="utf-8").splitlines() if requirements.is_file() else []
    model = {"type": "machine-learning-model", "bom-ref": "model", "name": name}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": model},
        "components": [*map(_library, filter(None, lines)), *(_file(path, files[path]) for path in sorted(files))],
    }


def _library(line: str) -> dict[str, Any]:
    """One pinned line of requirements.txt."""
    name, _, version = line.strip().partition("==")
    url = f"pkg:pypi/{name.lower()}@{version}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def _file(path: str, digest: str) -> dict[str, Any]:
    return {"type": "file", "bom-ref": path, "name": path, "hashes": [{"alg": "SHA-256", "content": digest}]}


def write_bill(name: str, folder: Path, files: Mapping[str, str]) -> None:
    text = json.dumps(bill_of_materials(name, folder, files), indent=1, sort_keys=True)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
