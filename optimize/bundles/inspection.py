"""A tar as it came: unpacked, its container told by its manifest or guessed by its layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optimize.arrays import Arrays, dtype_name, load_arrays
from optimize.bundles import manifest as manifests
from optimize.bundles.archive import unpack_archive
from optimize.bundles.hooks import hooks_of
from optimize.bundles.manifest import Manifest, read_manifest, wrong_files
from optimize.bundles.messages import forms_for
from optimize.bundles.samples import INPUT, OUTPUT
from optimize.errors import UserError
from optimize.methods import SOURCE_PRECISION, precision_of
from optimize.signature import Signature, TensorSpec


@dataclass(frozen=True)
class Unpacked:
    """`manifest` is None for a tar that another tool made; then the signature is that of the samples."""

    container: str
    signature: Signature
    forms: tuple[str, ...]
    manifest: Manifest | None
    hooks: str = ""

    @property
    def quantization(self) -> str:
        return self.manifest.quantization if self.manifest else "none"

    @property
    def precision(self) -> str:
        return precision_of(self.quantization, self.manifest.format) if self.manifest else SOURCE_PRECISION


def unpack_bundle(path: Path, folder: Path, samples: Path | None = None, container: str = "") -> Unpacked:
    """Unpack into `folder`, which is made, and check every file against the manifest. Raises UserError.

    For a tar without a manifest, `samples` (`.npz` with one array per input) says what it takes, and `container` where
    it belongs, if the layout leaves that open.
    """
    folder.mkdir(parents=True)
    unpack_archive(path, folder)
    if (folder / manifests.FILE).is_file():
        manifest = read_manifest(folder)
        wrong = wrong_files(folder, manifest)
        if wrong:
            raise UserError(f"{path.name} is not as its manifest says: {'; '.join(wrong[:5])}")
        signature = Signature.from_json(manifest.signature)
        named = container or manifest.container
        return Unpacked(named, signature, forms_for(signature), manifest, hooks_of(folder))
    named = container or guess_container(folder)
    if samples is None:
        raise UserError(
            f"{path.name} has no {manifests.FILE}, so that what it takes is not known; give an .npz with one array per "
            f"input: optimize boot {path.name} --samples samples.npz"
        )
    signature = _signature_of(load_arrays(samples))
    # What a handler that is not ours reads is not known; a nested list is what most do.
    return Unpacked(named, signature, ("json list" if len(signature.inputs) == 1 else "json named",), None)


def guess_container(folder: Path) -> str:
    """By what only one container looks for. Raises UserError where nothing is found."""
    if any(path.parent.name.isdigit() for path in folder.rglob("saved_model.pb")):
        return "tensorflow"
    if any(folder.glob("*/config.pbtxt")):
        return "triton"
    if any(folder.glob("*.pt")) or any(folder.glob("*.pth")) or (folder / "code" / "inference.py").is_file():
        return "pytorch"
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise UserError(
        f"no container would find a model in this tar; at its root lies {found}; expected model.pt, code/inference.py, "
        f"1/saved_model.pb or model/config.pbtxt (entries must not lie in a folder of their own)"
    )


def _signature_of(arrays: Arrays) -> Signature:
    """The first dimension is taken for the batch; outputs are not known."""
    inputs = {name.removeprefix(INPUT): value for name, value in arrays.items() if not name.startswith(OUTPUT)}
    return Signature(tuple(_spec(name, value) for name, value in inputs.items()))


def _spec(name: str, value: np.ndarray) -> TensorSpec:
    return TensorSpec(name, dtype_name(value.dtype), ("batch", *value.shape[1:]) if value.ndim else ())
