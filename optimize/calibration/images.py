"""A folder of images, and the declared transform that makes them the model's input."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.calibration.stream import stack
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def open_reader(place: str, wanted: Mapping[str, Any], signature: Signature, key: str) -> ImageReader:
    files = sorted(path for path in Path(place).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{place} holds no images ({', '.join(SUFFIXES)})", key)
    if len(signature.inputs) != 1 or len(signature.inputs[0].shape) != 4:
        raise UserError(
            f"images calibrate a model with one input of four dimensions, and this one has {signature}", key
        )
    return ImageReader(files, signature.inputs[0], Transform.of(wanted), key)


class ImageReader:
    def __init__(self, files: list[Path], spec: TensorSpec, transform: Transform, key: str) -> None:
        self._files = files
        self._spec = spec
        self._transform = transform
        self._key = key
        self.count = len(files)

    def batches(self, size: int, rows: int) -> Iterator[Arrays]:
        for start in range(0, rows, size):
            files = self._files[start : min(start + size, rows)]
            opened = [self._transform.open(f.read_bytes(), self._spec, str(f), self._key) for f in files]
            yield stack([{self._spec.name: image} for image in opened], str(self._files[0].parent), self._key)


@dataclass(frozen=True)
class Transform:
    """Shorter side to `resize`, the middle of the signature's height and width cut out, then (x / scale - mean) / std.

    Heights and widths that the signature leaves open are those of the resized image.
    """

    resize: int | None
    layout: str
    channels: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, wanted: Mapping[str, Any]) -> Transform:
        given = wanted["transform"]
        return cls(**{**given, "mean": tuple(given["mean"]), "std": tuple(given["std"])})

    def open(self, data: bytes, spec: TensorSpec, where: str, key: str) -> Array:
        """One row of the input: [channels, height, width], or with the channels last."""
        from PIL import Image, UnidentifiedImageError

        try:
            image = Image.open(io.BytesIO(data)).convert("L" if self.channels == "grey" else "RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"{where} is not a whole image: {error}", key) from error
        height, width = spec.shape[2:4] if self.layout == "nchw" else spec.shape[1:3]
        cut = _crop(_resize(image, self.resize, height, width), height, width)
        pixels: Array = np.atleast_3d(np.asarray(cut, np.float32))
        if self.channels == "bgr":
            pixels = pixels[..., ::-1]
        pixels = pixels / np.float32(self.scale)
        if self.mean:
            pixels = pixels - np.asarray(self.mean, np.float32)
        if self.std:
            pixels = pixels / np.asarray(self.std, np.float32)
        values = pixels.transpose(2, 0, 1) if self.layout == "nchw" else pixels
        return np.ascontiguousarray(values).astype(spec.dtype)


def _resize(image: Any, shorter: int | None, height: int | str, width: int | str) -> Any:
    """Never smaller than what is to be cut out of it."""
    from PIL import Image

    least = max((size for size in (height, width) if isinstance(size, int)), default=1)
    wanted = max(shorter or 0, least) if shorter or min(image.size) < least else 0
    if not wanted:
        return image
    factor = wanted / min(image.size)
    return image.resize([max(wanted, round(side * factor)) for side in image.size], Image.Resampling.BILINEAR)


def _crop(image: Any, height: int | str, width: int | str) -> Any:
    across, down = image.size
    across_to = width if isinstance(width, int) else across
    down_to = height if isinstance(height, int) else down
    left, top = (across - across_to) // 2, (down - down_to) // 2
    return image.crop((left, top, left + across_to, top + down_to))
