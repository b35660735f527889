"""What the layouts of several containers share."""

from __future__ import annotations

import errno
import json
import os
import shutil
from importlib.resources import files
from pathlib import Path

from optimize.digests import files_below
from optimize.signature import Signature
from optimize.stages import ServingSettings
from optimize.versions import library_version

SHARED = ("bundle_wire.py", "bundle_metrics.py")
HANDLED = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "ai-edge-litert"}
"""Formats to the distribution that their handler serves them with, and that no image of AWS's has."""


def link_files(source: Path, folder: Path) -> None:
    """All files below `source`, at the same names below `folder`; a copy only across file systems."""
    for path in files_below(source):
        place = folder / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path.resolve(), place)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
            shutil.copyfile(path, place)


def write_handler(name: str, signature: Signature, settings: ServingSettings, code: Path) -> None:
    """`handlers/serve_<name>.py` as `inference.py`, with the modules it imports and the signature it checks."""
    code.mkdir()
    shipped = files("optimize.bundles.handlers")
    for target, origin in [("inference.py", f"serve_{name}.py"), *((shared, shared) for shared in SHARED)]:
        (code / target).write_bytes((shipped / origin).read_bytes())
    told = signature.to_json() | {
        "threads": settings.threads, "sizes": dict(settings.sizes), "options": dict(settings.options),
    }  # fmt: skip
    (code / "signature.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def pinned(*distributions: str) -> str:
    """Lines of requirements.txt: the versions that were checked and measured here."""
    return "".join(f"{name}=={library_version(name)}\n" for name in distributions)
