"""What stands beside a model and need not be asked for: the class of a state_dict, the data, and so the inputs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MOST_FILES = 200
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Array to its dtype and shape."""


@dataclass(frozen=True)
class DataFile:
    """An `.npz` beside the model. `labels` is the array that looks like labels, or empty."""

    path: Path
    arrays: Shapes
    labels: str

    @property
    def inputs(self) -> Shapes:
        return {name: spec for name, spec in self.arrays.items() if name != self.labels}


def find_factory(folder: Path, weights: Iterable[str]) -> str:
    """`file.py:Class` of the one class whose own attributes hold every weight; empty where there is none, or several.

    The files are parsed and never run.
    """
    wanted = {name.split(".")[0] for name in weights}
    found = [
        f"{file.name}:{name}"
        for file in sorted(folder.glob("*.py"))[:MOST_FILES]
        for name, attributes in _classes(file).items()
        if wanted and wanted <= attributes
    ]
    return found[0] if len(found) == 1 else ""


def _classes(file: Path) -> dict[str, set[str]]:
    """Class to the names it assigns on self."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    return {node.name: set(_assigned(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _assigned(node: ast.ClassDef) -> Iterable[str]:
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def find_data(folder: Path) -> list[DataFile]:
    """Every `.npz` in the folder that can be read without a pickle."""
    return [data for path in sorted(folder.glob("*.npz"))[:MOST_FILES] if (data := read_data(path)) is not None]


def read_data(path: Path) -> DataFile | None:
    """None where it is no `.npz` of plain arrays with one count of rows."""
    from optimize.data import read_headers
    from optimize.errors import UserError

    try:
        headers = read_headers(path, "data.calibration")
    except (UserError, OSError, ValueError):
        return None
    arrays = {name: (spec.dtype, tuple(d for d in spec.shape if isinstance(d, int))) for name, spec in headers.items()}
    rows = {shape[:1] for _, shape in arrays.values()}
    return DataFile(path, arrays, _labels(arrays)) if arrays and len(rows) == 1 and rows != {()} else None


def _labels(arrays: Shapes) -> str:
    """The one array of whole numbers with a single axis, or the one that is named so, among others."""
    if len(arrays) < 2:
        return ""
    flat = [name for name, (dtype, shape) in arrays.items() if len(shape) == 1 and dtype.startswith(("int", "uint"))]
    named = [name for name in arrays if name.lower() in ("label", "labels", "y", "target", "targets")]
    return named[0] if len(named) == 1 else flat[0] if len(flat) == 1 else ""


def sort_out(found: Iterable[DataFile]) -> tuple[DataFile | None, DataFile | None]:
    """Calibration and evaluation: by name where the names say it, else by whether there are labels."""
    files = list(found)
    evaluation = _first(files, ("eval", "test", "valid"), True) or next((f for f in files if f.labels), None)
    calibration = _first(files, ("calib", "train"), False) or next((f for f in files if not f.labels), None)
    return calibration, evaluation


def _first(files: list[DataFile], words: tuple[str, ...], labelled: bool) -> DataFile | None:
    return next((f for f in files if bool(f.labels) == labelled and any(w in f.path.stem.lower() for w in words)), None)
