"""What kind of model a file or folder is, told from its bytes alone: nothing in it is loaded or run."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from optimize.errors import UserError
from optimize.sources.pickles import globals_in, read_beginning

MOST_HEADER = 100_000_000
"""Bytes of a safetensors header; the format itself allows no more."""


@dataclass(frozen=True)
class Seen:
    """`kind` is what `source.kind` would say; `facts` are words for a person; `weights` are names and shapes where they
    stand in the file in the clear."""

    path: Path
    kind: str
    what: str
    facts: tuple[str, ...] = ()
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict)
    trust: tuple[str, ...] = ()
    """What loading it would execute, where it would."""

    @property
    def size_bytes(self) -> int:
        files = self.path.rglob("*") if self.path.is_dir() else (self.path,)
        return sum(file.stat().st_size for file in files if file.is_file())


def look(path: Path) -> Seen:
    """Raises UserError where there is nothing, or nothing that is known."""
    if not path.exists():
        raise UserError(
            f"{path}: no such file or folder; give the trained model, such as weights.safetensors or model.onnx"
        )
    looks = FOLDERS if path.is_dir() else FILES
    try:
        found = next((seen for one in looks if (seen := one(path)) is not None), None)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if found is None:
        raise UserError(
            f"{path} is no model of a kind that is known here; expected a state_dict (.safetensors, .pt), TorchScript, "
            f"an exported program (.pt2), .onnx, .keras, a SavedModel folder, a Hugging Face folder, a scikit-learn "
            f"model (.skops, .pkl), or one of XGBoost (.json, .ubj) or LightGBM (.txt)"
        )
    return found


def _saved_model(path: Path) -> Seen | None:
    is_one = (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file()
    return Seen(path, "saved_model", "a TensorFlow SavedModel") if is_one else None


def _huggingface(path: Path) -> Seen | None:
    config = path / "config.json"
    if not config.is_file():
        return None
    try:
        said = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{config} is not JSON: {error}; download the model anew") from None
    if not isinstance(said, dict) or "model_type" not in said:
        return None
    architectures = ", ".join(said.get("architectures") or ["unknown"])
    trust = ("code from its own folder (auto_map)",) if said.get("auto_map") else ()
    facts = (f"model type {said['model_type']}", f"architecture {architectures}")
    return Seen(path, "huggingface", "a Hugging Face model", facts, trust=trust)


def _lone_model(path: Path) -> Seen | None:
    """A folder that holds one model file is that model."""
    files = [file for file in sorted(path.iterdir()) if file.suffix in (".onnx", ".keras", ".pt2")]
    return look(files[0]) if len(files) == 1 else None


def _onnx(path: Path) -> Seen | None:
    return Seen(path, "onnx", "an ONNX model") if path.suffix == ".onnx" else None


def _safetensors(path: Path) -> Seen | None:
    if path.suffix != ".safetensors":
        return None
    weights = _safetensors_header(path)
    return Seen(path, "pytorch", "a state_dict in safetensors", _weights_facts(weights), weights)


def _safetensors_header(path: Path) -> dict[str, tuple[int, ...]]:
    """https://github.com/huggingface/safetensors#format: eight bytes of length, then JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, MOST_HEADER)))
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a whole safetensors file: {error}") from None


def _weights_facts(weights: dict[str, tuple[int, ...]]) -> tuple[str, ...]:
    count = 0
    for shape in weights.values():
        size = 1
        for dimension in shape:
            size *= dimension
        count += size
    return (f"{len(weights)} tensors, {count:,} numbers",)


def _zip(path: Path) -> Seen | None:
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] or name for name in archive.namelist()]
        whole = set(archive.namelist())
    if "metadata.json" in whole and "config.json" in whole and any(name.endswith(".h5") for name in whole):
        return _keras(path)
    if any(name.startswith("models/") for name in names) or {"serialized_exported_program.json"} & {*names, *whole}:
        return Seen(path, "exported_program", "an exported program (torch.export)")
    if "schema.json" in whole:
        return Seen(path, "sklearn", "a scikit-learn model saved by skops")
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return Seen(path, "torchscript", "a TorchScript module")
    return _torch_pickle(path, "data.pkl")


def _keras(path: Path) -> Seen:
    with zipfile.ZipFile(path) as archive:
        text = archive.read("config.json").decode("utf-8", errors="replace")
    trust = ("the Python bytecode of its Lambda layers",) if '"class_name": "Lambda"' in text else ()
    return Seen(path, "keras", "a Keras model", trust=trust)


def _h5(path: Path) -> Seen | None:
    with path.open("rb") as file:
        is_one = file.read(8) == b"\x89HDF\r\n\x1a\n"
    return Seen(path, "keras", "a Keras model in HDF5") if is_one else None


def _torch_pickle(path: Path, member: str) -> Seen | None:
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if name.endswith(f"/{member}")), None)
        if name is None:
            return None
        found = globals_in(archive.read(name))
    unsafe = unsafe_globals(found)
    what = "a module saved whole with torch.save" if unsafe else "a state_dict saved with torch.save"
    return Seen(path, "pytorch", what, trust=unsafe)


SAFE = ("torch._utils._rebuild", "collections.OrderedDict")
STORAGES = "Storage"
"""`torch.FloatStorage` and its like are names of element types, not code."""


def unsafe_globals(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(n for n in names if not n.startswith(SAFE) and not (n.startswith("torch.") and n.endswith(STORAGES)))


ESTIMATORS = ("sklearn.", "xgboost.sklearn.", "lightgbm.sklearn.")


def _pickle(path: Path) -> Seen | None:
    data = read_beginning(path)
    if not data.startswith(b"\x80") and path.suffix not in (".pkl", ".pickle", ".joblib"):
        return None
    found = globals_in(data)
    if any(name.startswith("torch") for name in found):
        return Seen(path, "pytorch", "a state_dict saved by an old torch.save", trust=unsafe_globals(found))
    estimators = [n for n in found if n.startswith(ESTIMATORS) and n.rpartition(".")[2][:1].isupper()]
    if not estimators:
        return None
    return Seen(path, "sklearn", "a scikit-learn pickle", (f"holds {', '.join(estimators)}",), trust=found[:5])


def _booster(path: Path) -> Seen | None:
    """XGBoost writes one JSON object, in text or in binary, whose first keys are these; LightGBM begins with a word."""
    with path.open("rb") as file:
        start = file.read(200)
    if path.suffix in (".json", ".ubj") and b"learner" in start:
        return Seen(path, "xgboost", "an XGBoost model")
    return Seen(path, "lightgbm", "a LightGBM model") if start.startswith(b"tree\nversion=") else None


Look = Callable[[Path], Seen | None]
FOLDERS: tuple[Look, ...] = (_saved_model, _huggingface, _lone_model)
FILES: tuple[Look, ...] = (_onnx, _safetensors, _zip, _h5, _booster, _pickle)
"""In the order in which they are asked; the first that knows the file says what it is."""
