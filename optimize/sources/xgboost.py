"""XGBoost's own model files, which hold numbers and no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from optimize.arrays import Array
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.sources.base import SourceOptions
from optimize.sources.boosters import BoosterSource
from optimize.sources.modules import first_line
from optimize.stages import RuntimeSettings

kind = "xgboost"
libraries = ("xgboost-cpu", "xgboost")
read_as = ()

CLASSIFIES = ("binary:logistic", "multi:softprob", "multi:softmax")


class Options(SourceOptions):
    """An XGBoost model as `save_model` writes it."""

    kind: Literal["xgboost"] = "xgboost"
    file: str
    """`.json` or `.ubj`."""

    @field_validator("file")
    @classmethod
    def _known_suffix(cls, value: str) -> str:
        if Path(value).suffix not in (".json", ".ubj"):
            raise ValueError(
                f"{value!r} ends neither in .json nor in .ubj; write it with model.save_model('model.json')"
            )
        return value

    def paths(self) -> dict[str, str]:
        return {"file": self.file}


def prepare(settings: RuntimeSettings) -> None:
    """Threads are the booster's own."""


def read(model: Artifact) -> Any:
    return load_booster(model)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> BoosterSource:
    loaded.set_param({"nthread": settings.threads})

    def predict(matrix: Array) -> Array:
        values: Array = loaded.inplace_predict(matrix, validate_features=False)
        return values

    return BoosterSource(predict, objective(loaded) in CLASSIFIES, loaded.num_features(), model.signature)


def load_booster(model: Artifact) -> Any:
    import xgboost

    path = model.path / model.options["file"]
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise UserError(
            f"{path} is not a whole XGBoost model: {first_line(error)}; copy it again, or write it with "
            f"model.save_model",
            "source.file",
        ) from error
    if objective(booster) == "multi:softmax":
        booster.set_param({"objective": "multi:softprob"})  # The same trees; the class alone would hide all drift.
    return booster


def objective(booster: Any) -> str:
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])
