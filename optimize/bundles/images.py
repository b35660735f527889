"""Whether a serving image can read what a candidate is, by the matrix of images and the versions in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import yaml

from optimize.benchmarks.targets import machine_architecture
from optimize.bundles.layout import HANDLED
from optimize.errors import UserError
from optimize.methods import precision_of
from optimize.stages import bundles
from optimize.versions import library_version


@dataclass(frozen=True)
class Content:
    """What is to be served. `opset` and `ir` are an ONNX model's, 0 where they are not known yet."""

    format: str
    quantization: str
    opset: int = 0
    ir: int = 0

    @property
    def packed_for_x86(self) -> bool:
        """Torch packs int8 weights for the engine of the processor they were quantized on."""
        return self.format == "torchscript" and precision_of(self.quantization, self.format) == "int8"

    def __str__(self) -> str:
        return f"{self.format} at {self.quantization}"


@dataclass(frozen=True)
class Image:
    """A row of images.yaml. What the source does not say, or the image has not, is empty.

    `framework` is torch's or TensorFlow's version, or Triton's release; `opset` and `ir` are the highest that the
    onnxruntime in the image reads; `lacks` are formats of its container that this image does not read.
    """

    container: str
    repository: str
    framework: str
    architecture: str
    source: str
    python: str = ""
    onnxruntime: str = ""
    openvino: str = ""
    opset: int = 0
    ir: int = 0
    lacks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.repository}:{self.framework}"

    def version_of(self, library: str) -> str:
        """Empty where the source does not say it."""
        if library == "openvino":
            return self.openvino
        return self.framework if library == FRAMEWORKS.get(self.container) else ""


SAVERS = {
    "torchscript": "torch", "exported_program": "torch", "aotinductor": "torch", "saved_model": "tensorflow-cpu",
    "openvino": "openvino",
}  # fmt: skip
"""Whose version writes the format."""
FRAMEWORKS = {"pytorch": "torch", "huggingface": "torch", "tensorflow": "tensorflow-cpu"}
FOR_ITS_RELEASE = ("exported_program", "aotinductor")
"""Formats that an older release of torch does not read: the archive is of that release, and so is the machine code."""


@cache
def known_images() -> Sequence[Image]:
    """In the order of the file: the newest of a repository is its last."""
    rows = yaml.safe_load((Path(__file__).parent / "images.yaml").read_text(encoding="utf-8"))["images"]
    return [Image(**row | {"lacks": tuple(row.get("lacks", ()))}) for row in rows]


def find_image(reference: str) -> Image | None:
    """By a URI or `repository:version`; None for an image that is not AWS's own, of which nothing is known.

    Raises UserError for a version that is not in the matrix.
    """
    found = re.search(r"(?:^|/)([a-z-]+):(\d+\.\d+(?:\.\d+)?)", reference)
    same = [image for image in known_images() if found and image.repository == found[1]]
    if not found or not same:
        return None
    for image in same:
        if image.framework == found[2]:
            return image
    versions = ", ".join(image.framework for image in same)
    raise UserError(f"{reference}: {found[1]} is known in versions {versions}, and not in {found[2]}", "bundle.image")


def refusal(image: Image, content: Content) -> str:
    """Why the image cannot serve it, with the newest image that can; empty where it can."""
    cause = _cause(image, content)
    if not cause:
        return ""
    able = [other for other in known_images() if not _cause(other, content)]
    instead = "no image in the matrix can: build one, or take another format"
    if able:
        instead = f"the newest that can is {max(able, key=lambda other: _nearness(other, image))}"
    return f"{image} cannot serve {content}: {cause}; {instead}"


def _nearness(other: Image, image: Image) -> tuple[bool, bool, int, tuple[int, ...]]:
    """Of the same repository, or at least for the same processors; then of the leanest container, and the newest."""
    same, leanest_first = other.repository == image.repository, list(bundles())
    rank = -leanest_first.index(other.container)
    return same, other.architecture == image.architecture, rank, _number(other.framework)


def _cause(image: Image, content: Content) -> str:
    formats = [name for name in bundles()[image.container].formats if name not in image.lacks]
    if content.format not in formats:
        return f"it reads {', '.join(formats)}"
    if content.packed_for_x86 and image.architecture != "x86_64":
        return "its weights are packed for x86 (FBGEMM), and the image is for Graviton"
    if content.format == "aotinductor" and image.architecture != machine_architecture():
        return f"it is machine code for {machine_architecture()}, and the image is for {image.architecture}"
    if content.format in FOR_ITS_RELEASE and _saved_later(image, content.format):
        made = f"torch {library_version('torch')} made it for that release and later ones"
        return f"{made}, and the image has {image.framework}"
    if image.container != "triton" and content.format in HANDLED and image.python:
        return _no_wheel(HANDLED[content.format], image.python)
    return _too_new(image, content) if content.format == "onnx" else ""


def _too_new(image: Image, content: Content) -> str:
    """Of images with an onnxruntime of their own; elsewhere the bundle brings the one it was checked with."""
    if image.opset and content.opset > image.opset:
        return f"its onnxruntime {image.onnxruntime} reads opset {image.opset} at most; the model is of {content.opset}"
    if image.ir and content.ir > image.ir:
        return f"its onnxruntime {image.onnxruntime} reads IR version {image.ir} at most; the model is of {content.ir}"
    return ""


def _no_wheel(distribution: str, python: str) -> str:
    """The bundle installs the version that is here; its own metadata says which Pythons that takes."""
    try:
        wanted = metadata(distribution)["Requires-Python"] or ""
    except PackageNotFoundError:
        return ""
    least = re.search(r">=\s*3\.(\d+)", wanted)
    if least and int(python.partition(".")[2]) < int(least[1]):
        return f"{distribution} {library_version(distribution)} takes Python {wanted}, and the image has {python}"
    return ""


def remark(image: Image, format: str) -> str:
    """What is not promised, though nothing is known to be wrong; empty where the image is new enough."""
    if not _saved_later(image, format):
        return ""
    saver = SAVERS[format]
    return (
        f"saved by {saver} {library_version(saver)}, and {image} has {image.version_of(saver)}: an older release does "
        f"not promise to read what a newer one wrote; deploy it once with --rm before you rely on it, or take ONNX"
    )


def image_note(container: str, format: str) -> str:
    """What image such a bundle wants, where the file names none; empty where AWS's newest is known to do."""
    if container == "multi-model-server":
        runtime = HANDLED[format]
        return (
            f"the bundle wants an image of your own with {runtime} {library_version(runtime)} (docs/bundles.md has its "
            f"Dockerfile); for one of AWS's write `bundle: {{image: {newest('pytorch')}}}`"
        )
    image = newest(container)
    if _cause(image, Content(format, "none")) or remark(image, format):
        saver = SAVERS[format]
        return (
            f"saved by {saver} {library_version(saver)}, and AWS's newest image in the matrix, {image}, has "
            f"{image.version_of(saver) or 'another'}: try it there, or build an image of that version"
        )
    return ""


def newest(container: str) -> Image:
    """AWS's newest image for x86 of the container."""
    return max(
        (image for image in known_images() if (image.container, image.architecture) == (container, "x86_64")),
        key=lambda image: _number(image.framework),
    )


def _saved_later(image: Image, format: str) -> bool:
    """Whether the library that wrote it here is newer than the image's."""
    saver = SAVERS.get(format, "")
    here, there = library_version(saver) if saver else None, image.version_of(saver)
    return bool(here and there) and _number(str(here)) > _number(there)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
