"""The section `data` of the pipeline file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Literal, Self

from pydantic import PositiveFloat, PositiveInt, field_validator, model_validator

from optimize.sections import Section
from optimize.sources.user_code import code_closure, code_file, split_reference

KINDS = ("file", "folder", "generator", "dataset", "images", "random")


class Transform(Section):
    """How an image becomes a row: shorter side resized, the middle cut out, then (x / scale - mean) / std."""

    resize: PositiveInt | None = None
    """Pixels of the shorter side; at least what the signature's height and width need. By default only what is smaller
    than that is resized."""
    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr", "grey"] = "rgb"
    scale: PositiveFloat = 255.0
    mean: tuple[float, ...] = ()
    """One per channel, after `scale`."""
    std: tuple[PositiveFloat, ...] = ()


class Calibration(Section):
    """Rows that quantization is calibrated on, without labels: one of `file`, `folder`, `generator`, `dataset`,
    `images` and `random`. They are streamed, so that their number does not count for memory."""

    file: str | None = None
    """`.npz` with one array per input."""
    folder: str | None = None
    """Of `.npy`: for each input `NAME.npy`, or a folder `NAME` with one row per file."""
    generator: str | None = None
    """`file.py:function`, which yields rows: a mapping of input names to arrays."""
    reads: tuple[str, ...] = ()
    """Files and folders that the generator reads: their content counts for what can be taken from the store."""
    dataset: str | None = None
    """Folder that `datasets.Dataset.save_to_disk` wrote, with columns named as the inputs."""
    images: str | None = None
    """Folder of images, for a model whose one input they are."""
    transform: Transform = Transform()
    """Of images."""
    random: bool = False
    """Drawn numbers, where there is no data at all: accuracy is then not calibrated, and the report says so."""
    rows: PositiveInt | None = None
    """Exactly so many, the first ones. By default all; a generator needs a number. Random: 32."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind)]
        if len(given) != 1:
            raise ValueError(
                f"give one of {', '.join(KINDS)}; there {'is none' if not given else 'are ' + ', '.join(given)}"
            )
        if self.generator and self.rows is None:
            raise ValueError("a generator may go on for ever: say how many rows are read, such as `rows: 200`")
        if self.reads and not self.generator:
            raise ValueError("`reads` names what a generator reads, and there is no generator")
        return self

    @field_validator("generator")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        if value is not None:
            split_reference(value)
        return value

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind))

    @property
    def place(self) -> str:
        """What the file says; empty for random."""
        return "" if self.random else str(getattr(self, self.kind))

    def paths(self) -> dict[str, str]:
        """Key to path of every file or folder that must exist."""
        reads = {f"reads.{index}": path for index, path in enumerate(self.reads)}
        if self.generator is None:
            return reads if self.random else {self.kind: self.place}
        code = self.generator.rpartition(":")[0]
        return reads | ({"generator": code} if code.endswith(".py") else {})

    def content(self, base: Path) -> tuple[Path, ...]:
        """The files whose bytes count, in an order that does not depend on the machine."""
        roots = [base / path for key, path in self.paths().items() if key != "generator"]
        code = code_file(self.generator, base) if self.generator else None
        return (*(code_closure(code) if code else ()), *(file for root in roots for file in _files(root)))

    def parameters(self, base: Path) -> dict[str, Any]:
        """What identifies the rows besides the bytes of their files: a folder's names are among it."""
        dumped = self.model_dump(mode="json", include={"rows", "transform", "random"})
        roots = [base / path for path in (self.folder, self.images, *self.reads) if path]
        names = [[file.relative_to(root).as_posix() for file in _files(root)] for root in roots]
        function = self.generator.rpartition(":")[2] if self.generator else ""
        return {**dumped, "kind": self.kind, "function": function, "names": names}

    def wanted(self, base: Path) -> dict[str, Any]:
        """As a worker opens it."""
        place = self.place if self.generator else str((base / self.place).resolve())
        return {
            "kind": self.kind, "place": place, "base": str(base.resolve()), "rows": self.rows,
            "transform": self.transform.model_dump(mode="json"),
        }  # fmt: skip


def _files(root: Path) -> Iterator[Path]:
    yield from sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else (root,)


def calibration_in_short(value: str) -> dict[str, Any]:
    """`random`, `rows.py:function`, `rows.npz`, or the folder of .npy files that a path without a suffix is."""
    if value == "random":
        return {"random": True}
    if ":" in value and value.rpartition(":")[2].isidentifier():  # A path may hold a colon as well.
        return {"generator": value}
    return {"file" if PurePath(value).suffix else "folder": value}


class Evaluation(Section):
    """Labelled data and how answers are scored."""

    file: str
    """`.npz` with one array per input, and the labels."""
    labels: str = "label"
    """The array that holds the labels."""
    metric: str = "accuracy"
    """`accuracy` (top-1 of the output), or `file.py:function`, called with (outputs, labels); one score per row."""
    output: str | None = None
    """The output that is scored; may be left out where there is one."""

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        if value != "accuracy":
            try:
                split_reference(value)
            except ValueError:
                raise ValueError(f"{value!r} is no metric; write accuracy, or file.py:function") from None
        return value


class Data(Section):
    """Rows of real data."""

    calibration: Calibration | None = None
    """Rows without labels, which static quantization reads; a string is short for a file, a generator, a folder or
    `random`."""
    evaluation: Evaluation | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: Any) -> Any:
        """A path alone is short for a section with that file."""
        if not isinstance(value, dict):
            return value
        shortened = dict(value)
        if isinstance(value.get("calibration"), str):
            shortened["calibration"] = calibration_in_short(value["calibration"])
        if isinstance(value.get("evaluation"), str):
            shortened["evaluation"] = {"file": value["evaluation"]}
        return shortened
