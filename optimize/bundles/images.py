"""Whether a serving image can read what a candidate is, by the matrix of images and the versions in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import yaml

from optimize.bundles.layout import HANDLED
from optimize.errors import UserError
from optimize.stages import bundles
from optimize.versions import library_version

SAVERS = {"torchscript": "torch", "saved_model": "tensorflow-cpu"}
"""Whose version writes the format."""


@dataclass(frozen=True)
class Image:
    """A row of images.yaml; `python` is empty where the source does not say it."""

    container: str
    repository: str
    framework: str
    architecture: str
    source: str
    python: str = ""

    def __str__(self) -> str:
        return f"{self.repository}:{self.framework}"


@cache
def known_images() -> Sequence[Image]:
    """In the order of the file: the newest of a repository is its last."""
    rows = yaml.safe_load((Path(__file__).parent / "images.yaml").read_text(encoding="utf-8"))["images"]
    return [Image(**row) for row in rows]


def find_image(reference: str) -> Image | None:
    """By a URI or `repository:version`; None for an image that is not AWS's own, of which nothing is known.

    Raises UserError for a version that is not in the matrix.
    """
    found = re.search(r"(?:^|/)([a-z-]+):(\d+\.\d+\.\d+)", reference)
    same = [image for image in known_images() if found and image.repository == found[1]]
    if not found or not same:
        return None
    for image in same:
        if image.framework == found[2]:
            return image
    versions = ", ".join(image.framework for image in same)
    raise UserError(f"{reference}: {found[1]} is known in versions {versions}, and not in {found[2]}", "bundle.image")


def refusal(image: Image, format: str, quantization: str) -> str:
    """Why the image cannot serve such a candidate, with the newest image that can; empty where it can."""
    cause = _cause(image, format, quantization)
    if not cause:
        return ""
    able = [other for other in known_images() if not _cause(other, format, quantization)]
    instead = "no image in the matrix can: build one, or take another format"
    if able:
        instead = f"the newest that can is {max(able, key=lambda other: _nearness(other, image))}"
    return f"{image} cannot serve {format} at {quantization}: {cause}; {instead}"


def _nearness(other: Image, image: Image) -> tuple[bool, bool, tuple[int, ...]]:
    """Of the same repository, or at least for the same processors, and then the newest."""
    same = other.repository == image.repository
    return same, other.architecture == image.architecture, _number(other.framework)


def _cause(image: Image, format: str, quantization: str) -> str:
    if format not in bundles()[image.container].formats:
        return f"the {image.container} container reads {', '.join(bundles()[image.container].formats)}"
    if format == "torchscript" and quantization != "none" and image.architecture != "x86_64":
        return "its weights are packed for x86 (FBGEMM), and the image is for Graviton"
    if format in HANDLED and image.python:
        return _no_wheel(HANDLED[format], image.python)
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
    saver = library_version(SAVERS[format]) if format in SAVERS else None
    if saver is None or _number(saver) <= _number(image.framework):
        return ""
    return (
        f"saved by {SAVERS[format]} {saver}, and {image} has {image.framework}: an older release does not promise to "
        f"read what a newer one wrote; deploy it once with --rm before you rely on it, or take ONNX"
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
