"""The step `bundle`: the winner's files laid out for one container, with a manifest, as `model.tar.gz`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.arrays import load_arrays
from optimize.artifact import Artifact
from optimize.bundles import manifest as manifests
from optimize.bundles import materials
from optimize.bundles.archive import write_archive
from optimize.bundles.images import Content, find_image, refusal
from optimize.bundles.manifest import Manifest
from optimize.bundles.materials import write_bill
from optimize.bundles.onnx_header import read_header
from optimize.bundles.samples import write_samples
from optimize.digests import digest_file, digest_folder
from optimize.errors import Unsupported
from optimize.execution.request import Request
from optimize.golden import Golden
from optimize.signature import Signature
from optimize.stages import Bundle, RuntimeSettings, ServingSettings, bundles, runtimes
from optimize.versions import library_versions, tool_version

FILE = "model.tar.gz"
SAMPLES = "golden.npz"
"""Beside the bundle, and not in it: samples can be data of the user's that is not to travel with the model."""


def emit(request: Request, output: Path) -> dict[str, Any]:
    """Parameters: `container`, `name`, `candidate`, `provenance`; optionally `threads` (of the target), the runtime's
    `settings`, the gzip `level`, `gzip_threads`, and the `image` it is for.

    `data["hooks"]` is the user's own code, `data["answers"]` a folder with the candidate's answers to the cases.
    """
    model, wanted = request.model, request.parameters
    bundle = bundles()[str(wanted["container"])]
    _check_image(model, str(wanted.get("image") or ""))
    hooks = Path(request.data["hooks"]) if "hooks" in request.data else None
    told = RuntimeSettings.told(wanted.get("settings", {}), int(wanted.get("threads", 1)))
    settings = ServingSettings(told.threads, _sizes(request, model.signature), told.options, hooks)
    # On the output's file system, so that the model's files can be linked.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix="layout-") as temporary:
        folder = Path(temporary)
        bundle.lay_out(model, settings, folder)
        files = digest_folder(folder)
        write_bill(str(wanted["name"]), folder, files)
        files[materials.FILE] = digest_file(folder / materials.FILE)
        _manifest(bundle, model, wanted, dict(files)).write(folder)
        files[manifests.FILE] = digest_file(folder / manifests.FILE)
        digest = write_archive(folder, output / FILE, wanted.get("level"), wanted.get("gzip_threads"))
    if request.golden:
        answers = Path(request.data["answers"]) if "answers" in request.data else None
        write_samples(Golden(Path(request.golden)), output / SAMPLES, answers)
    size = (output / FILE).stat().st_size
    return {"container": bundle.container, "digest": digest, "size_bytes": size, "files": files}


def _check_image(model: Artifact, reference: str) -> None:
    """By the file itself: what versions a quantizer, or a converter of third parties, writes is not known before."""
    image = find_image(reference) if reference else None
    path = model.path / "model.onnx"
    if image is None or not path.is_file():
        return
    header = read_header(path)
    refused = refusal(image, Content(model.format, model.quantization, header.opset, header.ir))
    if refused:
        raise Unsupported(refused)


def _sizes(request: Request, signature: Signature) -> dict[str, int]:
    """Sizes of the named dimensions at batch 1, as the samples have them; none where there is no golden."""
    if not request.golden:
        return {}
    samples = load_arrays(Path(request.golden) / "rotation.npz")
    sizes: dict[str, int] = {}
    for spec in signature.inputs:
        # The rotation stacks whole calls along a first axis of its own.
        for dimension, size in zip(spec.shape, samples[spec.name].shape[1:], strict=True):
            if isinstance(dimension, str):
                sizes.setdefault(dimension, size)
    return sizes


def _manifest(bundle: Bundle, model: Artifact, wanted: Mapping[str, Any], files: Mapping[str, str]) -> Manifest:
    libraries = (*bundle.libraries, *runtimes()[model.format].libraries)
    return Manifest(
        name=wanted["name"],
        candidate=wanted["candidate"],
        container=bundle.container,
        format=model.format,
        quantization=model.quantization,
        signature=model.signature.to_json(),
        files=files,
        versions={"optimize": tool_version(), **library_versions(libraries)},
        provenance=wanted["provenance"],
    )
