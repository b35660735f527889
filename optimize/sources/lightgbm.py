"""LightGBM's own model files, which are text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from optimize.arrays import Array
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.sources.base import SourceOptions
from optimize.sources.boosters import BoosterSource
from optimize.sources.modules import first_line
from optimize.stages import RuntimeSettings

kind = "lightgbm"
libraries = ("lightgbm",)
read_as = ()

CLASSIFIES = ("binary", "multiclass", "multiclassova")


class Options(SourceOptions):
    """A LightGBM model as `Booster.save_model` writes it."""

    kind: Literal["lightgbm"] = "lightgbm"
    file: str
    """The text file."""

    def paths(self) -> dict[str, str]:
        return {"file": self.file}


def prepare(settings: RuntimeSettings) -> None:
    """Threads are given with every call."""


def read(model: Artifact) -> Any:
    return load_booster(model)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> BoosterSource:
    def predict(matrix: Array) -> Array:
        values: Array = loaded.predict(matrix, num_threads=settings.threads)
        return values

    classifies = _objective(model.path / model.options["file"]) in CLASSIFIES
    return BoosterSource(predict, classifies, loaded.num_feature(), model.signature)


def load_booster(model: Artifact) -> Any:
    import lightgbm

    path = model.path / model.options["file"]
    _check_whole(path)
    try:
        return lightgbm.Booster(model_file=path)
    except lightgbm.basic.LightGBMError as error:
        raise UserError(f"{path} is not a whole LightGBM model: {first_line(error)}", "source.file") from error


def _check_whole(path: Path) -> None:
    """LightGBM reads trees in threads, and one that is cut off ends the process (4.7); so do cut parameters."""
    with path.open("rb") as file:
        lines = {line.strip() for line in file if line.startswith((b"tree", b"end of ", b"parameters:"))}
    missing = [line for line in (b"tree", b"end of trees") if line not in lines]
    if b"parameters:" in lines and b"end of parameters" not in lines:
        missing.append(b"end of parameters")
    if missing:
        raise UserError(
            f"{path} is not a whole LightGBM model: it lacks the line `{missing[0].decode()}`; copy it again, or write "
            f"it with booster.save_model",
            "source.file",
        )


def _objective(path: Path) -> str:
    """`binary` of the line `objective=binary sigmoid:1`; empty where there is none."""
    with path.open(encoding="utf-8") as file:
        line = next((line for line in file if line.startswith("objective=")), "objective= ")
    return line.removeprefix("objective=").split(" ")[0].strip()
