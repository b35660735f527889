"""What the layouts of several containers share."""

from __future__ import annotations

import errno
import json
import os
import shutil
from importlib.resources import files
from pathlib import Path

from optimize.artifact import Artifact
from optimize.digests import files_below
from optimize.sources.user_code import code_closure
from optimize.stages import ServingSettings
from optimize.versions import library_version

SHARED = ("bundle_handler.py", "bundle_hooks.py", "bundle_metrics.py", "bundle_wire.py")
HANDLED = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "ai-edge-litert"}
"""Formats to the distribution that their handler serves them with, and that no image of AWS's has."""
TORCH = ("torchscript", "exported_program", "aotinductor")
"""Formats that torch itself runs."""


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


def write_handler(model: Artifact, settings: ServingSettings, code: Path, entry: str = "inference.py") -> None:
    """`handlers/<entry>` as `inference.py`, with the modules it imports, the user's, and the signature it checks."""
    code.mkdir()
    shipped = files("optimize.bundles.handlers")
    modules = [*SHARED, *(["bundle_torch.py"] if model.format in TORCH else [])]
    for target, origin in [
        ("inference.py", entry),
        ("bundle_model.py", f"model_{model.format}.py"),
        *((module, module) for module in modules),
    ]:
        (code / target).write_bytes((shipped / origin).read_bytes())
    told = model.signature.to_json() | {
        "threads": settings.threads, "sizes": dict(settings.sizes), "options": dict(settings.options), "hooks": "",
        "quantization": model.quantization,
    }  # fmt: skip
    if settings.hooks:
        told["hooks"] = settings.hooks.stem
        _copy_hooks(settings.hooks, code)
    (code / "signature.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _copy_hooks(hooks: Path, code: Path) -> None:
    """The user's file and the local files that it imports, as they lie beside each other."""
    for path in code_closure(hooks):
        place = code / path.relative_to(hooks.resolve().parent)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def write_requirements(format: str, code: Path) -> None:
    """The one distribution that the container's image lacks, at the version that was checked and measured here."""
    if format in HANDLED:
        name = HANDLED[format]
        (code / "requirements.txt").write_text(f"{name}=={library_version(name)}\n", encoding="utf-8")
