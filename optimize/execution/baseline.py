"""The old artifact that a run is held against: a bundle of this tool's, or the model's own files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from optimize.bundles.manifest import FILE as MANIFEST
from optimize.bundles.manifest import read_manifest, wrong_files
from optimize.digests import digest_file, digest_folder, digest_value, files_below
from optimize.errors import UserError
from optimize.execution.request import ArtifactReference
from optimize.signature import Signature

BASELINE = "baseline"
FILES = {
    "model.onnx": "onnx", "model.pt": "torchscript", "saved_model.pb": "saved_model", "model.xml": "openvino",
    "model.tflite": "litert", "model.pt2": "exported_program",
}  # fmt: skip
"""The file that each runtime opens, by which the format is told."""
SUFFIXES = {".onnx": "model.onnx", ".pt": "model.pt", ".pth": "model.pt", ".tflite": "model.tflite"}


@dataclass(frozen=True)
class Baseline:
    """`digest` is of its files."""

    given: Path
    folder: Path
    format: str
    quantization: str
    signature: Signature | None
    """None where nothing says it: then it is taken for the source's."""
    digest: str

    def reference(self, signature: Signature) -> ArtifactReference:
        """Raises UserError where it does not take what the source takes."""
        if self.signature is not None and self.signature.inputs != signature.inputs:
            raise UserError(
                f"--baseline {self.given}: it takes {_inputs(self.signature)}, and the source of this file takes "
                f"{_inputs(signature)}; give an artifact of the same model"
            )
        return ArtifactReference(str(self.folder), self.format, self.quantization, signature.to_json())


def _inputs(signature: Signature) -> str:
    return ", ".join(map(str, signature.inputs))


def open_baseline(path: Path, cache: Path) -> Baseline:
    """From `model.tar.gz`, a folder or a file; what has to be unpacked goes below `cache`. Raises UserError."""
    if path.is_dir() and (path / "model.tar.gz").is_file():
        path = path / "model.tar.gz"  # The folder of a run.
    if path.is_dir():
        return _from_folder(path, path)
    if not path.is_file():
        raise UserError(
            f"--baseline {path}: no such file; give the model.tar.gz of an earlier run, or a model's file or folder"
        )
    if path.name.endswith((".tar.gz", ".tgz")):
        return _from_folder(path, _unpacked(path, cache))
    if path.suffix not in SUFFIXES:
        raise UserError(f"--baseline {path}: not a model.tar.gz, nor one of {', '.join(SUFFIXES)}, nor a folder")
    return _from_folder(path, _laid_out(path, cache))


def _unpacked(path: Path, cache: Path) -> Path:
    from optimize.bundles.archive import unpack_archive

    folder = cache / digest_file(path)
    if not folder.is_dir():
        partial = folder.with_name(f".{folder.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        unpack_archive(path, partial)
        partial.replace(folder)
    return folder


def _laid_out(path: Path, cache: Path) -> Path:
    """Under the name its runtime opens, with the external data that lie beside an ONNX file."""
    folder = cache / digest_file(path)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / SUFFIXES[path.suffix])
    for data in path.parent.glob("*.data"):
        shutil.copyfile(data, folder / data.name)
    return folder


def _from_folder(given: Path, folder: Path) -> Baseline:
    signature, quantization = None, "none"
    if (folder / MANIFEST).is_file():
        manifest = read_manifest(folder)
        wrong = wrong_files(folder, manifest)
        if wrong:
            raise UserError(f"--baseline {given}: not as its manifest says: {'; '.join(wrong[:5])}")
        signature, quantization = Signature.from_json(manifest.signature), manifest.quantization
    for file in files_below(folder):
        if file.name in FILES:
            digest = digest_value(digest_folder(file.parent))
            return Baseline(given, file.parent, FILES[file.name], quantization, signature, digest)
    raise UserError(f"--baseline {given}: no model lies in it; expected one of {', '.join(FILES)}")
