"""The files of a Hugging Face folder: found, whole, and holding no code; looked at before transformers reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optimize.errors import UserError

KEY = "source.folder"
AGAIN = "download the model anew"
INDEX = ".index.json"
JSON_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "preprocessor_config.json",
    "processor_config.json", "generation_config.json",
)  # fmt: skip
"""Besides the configuration: a folder in which one of them is cut off was not copied whole, whoever reads it."""


def read_config(folder: Path) -> Mapping[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        raise UserError(f"{folder} has no config.json; give a folder that save_pretrained has written", KEY)
    config = _read_json(file)
    if not isinstance(config, dict) or "model_type" not in config:
        raise UserError(f"{file} names no model_type; give a folder that save_pretrained has written", KEY)
    return config


def check_trust(folder: Path, config: Mapping[str, Any], weights: Sequence[Path]) -> None:
    """Raises UserError for what loading it would execute."""
    if config.get("auto_map"):
        code = ", ".join(sorted({str(reference) for reference in config["auto_map"].values()}))
        raise UserError(
            f"{folder} brings code of its own, and loading it would execute {code}; if you have read that code, put "
            f"`trust: true` under `source`",
            KEY,
        )
    for path in weights:
        if path.suffix == ".bin":
            _check_pickle(path)


def find_weights(folder: Path) -> Sequence[Path]:
    """Those that transformers would read: safetensors before pickles."""
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        if found := sorted(folder.glob(pattern)):
            return found
    others = ", ".join(sorted(path.name for path in folder.glob("*") if path.is_file()))
    raise UserError(f"{folder} has no model.safetensors and no pytorch_model.bin; it has {others}", KEY)


def _check_pickle(path: Path) -> None:
    """A zip that torch.save wrote is asked what it would import; what is none is left to weights_only."""
    import zipfile

    import torch

    names = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []
    if names:
        raise UserError(
            f"{path} is a pickle: opening it would execute {', '.join(names)}. Save the model with save_pretrained, "
            f"which writes safetensors, or, if you made this file yourself, put `trust: true` under `source`",
            KEY,
        )


def check_whole(folder: Path, weights: Sequence[Path]) -> None:
    """Raises UserError for a file that is cut off, or that an index names and is not there."""
    for name in JSON_FILES:
        if (folder / name).is_file():
            _read_json(folder / name)
    begins = "pytorch_model" if weights[0].suffix == ".bin" else "model"
    if weights[0].name != f"{begins}{weights[0].suffix}":  # The one file that transformers takes before shards.
        for index in folder.glob(f"{begins}*{INDEX}"):
            _check_index(index)
    for file in weights:
        if file.suffix == ".safetensors":
            _check_safetensors(file)


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is not JSON: {error}; {AGAIN}", KEY) from error


def _check_index(index: Path) -> None:
    said = _read_json(index)
    shards = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(shards, dict):
        raise UserError(f"{index} has no weight_map of tensors to files; {AGAIN}", KEY)
    for name in sorted(set(shards.values())):
        if not (index.parent / name).is_file():
            raise UserError(f"{index} names {name}, and there is no such file beside it; {AGAIN}", KEY)


def _check_safetensors(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy"):
            return
    except SafetensorError as error:
        raise UserError(f"{file} is not a whole safetensors file: {error}; {AGAIN}", KEY) from error
