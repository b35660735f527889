"""Keras model files: looked into before they are loaded, and loaded under either of Keras' backends."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.runtimes.lean_tensorflow import prepare_environment
from optimize.sources.user_code import load_file

HDF5 = b"\x89HDF\r\n\x1a\n"
UNKNOWN = re.compile(r"(?:Could not locate \w+|Unknown [\w ]+:) '(?:[^'>]+>)?([^'>]+)'")
"""How Keras 3.15 names a class it does not know, in `.keras` and in `.h5` files; `Package>Name` as it is registered."""


def import_keras(backend: str) -> Any:
    """Keras over `tensorflow` or `torch`: one of them in a process, and never both."""
    os.environ["KERAS_BACKEND"] = backend
    prepare_environment()
    if backend == "torch":
        sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]
    import keras

    return keras


def load_keras(model: Artifact, backend: str) -> Any:
    """The model, not compiled. Raises UserError; nothing in the file is executed unless the source is trusted."""
    path, trust = model.path / model.options["file"], model.options["trust"]
    bytecode = sorted(set(_bytecode(read_config(path), "")))
    if bytecode and not trust:
        raise UserError(
            f"{path} holds Python bytecode in {', '.join(bytecode)} (Lambda), which loading it would execute. Make it "
            f"a layer of your own, named under `custom_objects`, or, if you made this file yourself, put `trust: true` "
            f"under `source`",
            "source.file",
        )
    keras = import_keras(backend)
    custom = _custom_objects(model)
    try:
        with _weights_on_disk(path) as file:
            return keras.saving.load_model(file, custom_objects=custom, compile=False, safe_mode=not trust)
    except Exception as error:  # Keras lets through whatever the constructor of a layer raises.
        raise _cannot_load(path, str(error)) from error


@contextmanager
def _weights_on_disk(path: Path) -> Iterator[Path]:
    """The file under a name of its own, in whose folder Keras unpacks the weights: it would else hold the whole archive
    in memory besides (3.0 GB instead of 2.0 for a model of 1 GB), or unpack beside the user's file."""
    from keras.src.saving import saving_lib

    with TemporaryDirectory() as folder:
        link = Path(folder) / path.name
        link.symlink_to(path.resolve())
        saving_lib._MEMORY_UPPER_BOUND = 0  # Keras 3.15: the share of free memory up to which it takes the archive in.
        yield link


def read_config(path: Path) -> Any:
    """The architecture as JSON, read without Keras. Raises UserError for what is no whole Keras model."""
    suffix = path.suffix.lower()
    if suffix not in (".keras", ".h5", ".hdf5"):
        raise UserError(f"{path} is not named as a Keras model is: expected .keras or .h5", "source.file")
    try:
        return json.loads(_keras_config(path) if suffix == ".keras" else _h5_config(path))
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise UserError(f"{path} is not a whole Keras model: {_one_line(error)}; {AGAIN}", "source.file") from error


AGAIN = "copy it again, or write it with model.save('model.keras')"


def _keras_config(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        if damaged or "config.json" not in archive.namelist():
            raise ValueError(f"{damaged} is damaged" if damaged else "it holds no config.json")
        return archive.read("config.json").decode("utf-8")


def _h5_config(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(HDF5)) != HDF5:
            raise ValueError("it is no HDF5 file")
    import h5py

    with h5py.File(path) as file:
        if "model_config" not in file.attrs:
            raise ValueError("it holds weights without the architecture")
        config = file.attrs["model_config"]
        return config.decode("utf-8") if isinstance(config, bytes) else str(config)


def _bytecode(config: Any, name: str) -> Iterator[str]:
    """Names of the layers that hold a marshalled Python function, be it a Lambda's own or an argument of theirs."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        name = str(inner["name"]) if isinstance(inner, Mapping) and "name" in inner else name
        if config.get("class_name") == "__lambda__" or config.get("function_type") == "lambda":
            yield name or "the model"
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _bytecode(value, name)


def _custom_objects(model: Artifact) -> dict[str, Any]:
    """Classes and functions of the user's file by their plain names, for those that it does not register."""
    if not model.options.get("custom_objects"):
        return {}
    module = load_file(model.path / model.options["custom_objects"], "source.custom_objects")
    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    return {name: value for name, value in own.items() if callable(value)}


def _cannot_load(path: Path, message: str) -> UserError:
    unknown = UNKNOWN.search(message)
    if unknown:
        return UserError(
            f"{path} uses {unknown[1]}, which is not Keras' own; put `custom_objects: layers.py` under `source`, with "
            f"the file that defines it and registers it by @keras.saving.register_keras_serializable",
            "source.custom_objects",
        )
    if "safe_mode" in message or "enable_unsafe_deserialization" in message:
        return UserError(
            f"{path}: loading it would execute code: {_one_line(message)}. If you made this file yourself, put "
            f"`trust: true` under `source`",
            "source.file",
        )
    return UserError(f"Keras cannot load {path}: {_one_line(message)}", "source.file")


def _one_line(error: object) -> str:
    """Keras quotes a whole configuration before it says what went wrong."""
    return " ".join(str(error).rpartition("Exception encountered:")[2].split())[:300]
