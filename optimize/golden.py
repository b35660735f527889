"""The golden: samples, and the source's own outputs on them. Every candidate is judged against it.

Samples come in cases, each at its own sizes of the named dimensions. The examples that exporters trace with stand at
sizes that no case has, so that a path that bakes the traced size in is caught.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optimize.arrays import Arrays, dtype_name, load_arrays, save_arrays
from optimize.errors import UserError
from optimize.samples import Batches, Rows, Samples
from optimize.signature import Signature, TensorSpec

EVALUATION_BATCH = 32
ROTATION = 16
"""Samples at batch 1 that latency is measured on, in turn."""
GOLDEN_ROWS = 512
"""Of calibration data, the most that the golden is computed on."""
DRAWN_FILE = "calibration.npz"
"""Rows that were drawn because the file says `calibration: random`."""
DRAWN_ROWS = 32

Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Golden:
    """A golden on disk."""

    path: Path

    def examples(self) -> Arrays:
        return load_arrays(self.path / "examples.npz")

    def cases(self, answers: Path | None = None) -> list[tuple[str, Arrays, Arrays]]:
        """(sizes in words, inputs, outputs) of every case; `answers` is a folder with a candidate's own outputs."""
        described = json.loads((self.path / "cases.json").read_text(encoding="utf-8"))
        return [
            (words, load_arrays(self.path / f"case-{i}-inputs.npz"), load_arrays(_outputs(answers or self.path, i)))
            for i, words in enumerate(described)
        ]

    def evaluation_outputs(self) -> Arrays:
        return load_arrays(self.path / "evaluation-outputs.npz")

    def drawn(self) -> Samples:
        """The rows that were drawn where the user gave no data."""
        return Samples(load_arrays(self.path / "drawn.npz"))

    def scores(self) -> np.ndarray:
        scores: np.ndarray = load_arrays(self.path / "scores.npz")["scores"]
        return scores


def case_sizes(signature: Signature, rows: Samples) -> tuple[Sizes, list[Sizes]]:
    """Sizes of the examples, and of the cases: two for every named dimension, neither of them the examples' where its
    range has three."""
    full = _full_sizes(signature, rows)
    examples: dict[str, int] = {}
    small: dict[str, int] = {}
    large: dict[str, int] = {}
    for name, size in full.items():
        if name == _batch_name(signature):
            examples[name], small[name], large[name] = 2, 1, 3
        else:
            examples[name] = max(2, size * 3 // 4) if size > 2 else size
            small[name] = max(1, size // 2)
            large[name] = size
    at = [
        {name: signature.range_of(name).clip(size) for name, size in sizes.items()}
        for sizes in (examples, small, large)
    ]
    cases: list[Sizes] = [*at[1:]] if full else [{}]
    return at[0], cases


def _batch_name(signature: Signature) -> str | None:
    first = signature.inputs[0].shape[:1]
    return first[0] if first and isinstance(first[0], str) else None


def _full_sizes(signature: Signature, rows: Samples) -> Sizes:
    sizes: dict[str, int] = {}
    for spec in signature.inputs:
        for axis, dimension in enumerate(spec.shape):
            if isinstance(dimension, str):
                sizes.setdefault(dimension, rows.arrays[spec.name].shape[axis])
    return sizes


def take(signature: Signature, rows: Samples, sizes: Sizes, start: int = 0) -> Arrays:
    """Inputs at exactly these sizes, cut out of the rows (which are repeated where there are too few)."""
    taken: Arrays = {}
    for spec in signature.inputs:
        array = rows.arrays[spec.name]
        for axis, dimension in enumerate(spec.shape):
            size = sizes[dimension] if isinstance(dimension, str) else dimension
            first = start if axis == 0 else 0
            array = np.take(array, (np.arange(size) + first) % array.shape[axis], axis=axis)
        taken[spec.name] = np.ascontiguousarray(array)
    return taken


def batch_size(signature: Signature, preferred: int) -> int:
    """Rows per call: the fixed batch where the signature has one."""
    first = signature.inputs[0].shape[0] if signature.inputs[0].shape else 1
    return preferred if isinstance(first, str) else first


def whole_batches(signature: Signature, rows: Rows, preferred: int) -> Batches:
    """All rows in batches the model takes; rows that do not fill a fixed batch are left out."""
    size = batch_size(signature, preferred)
    fixed = size if _batch_name(signature) is None else 1

    def start() -> Iterator[Arrays]:
        return (batch for batch in rows.batches(size) if len(next(iter(batch.values()))) >= fixed)

    return Batches(start, -(-len(rows) // size) if fixed == 1 else len(rows) // size, size)


def rotation(signature: Signature, rows: Samples) -> Arrays:
    """Up to 16 different calls at batch 1 (or the fixed batch), stacked along a new first axis."""
    sizes = {**_full_sizes(signature, rows)}
    name = _batch_name(signature)
    if name is not None:
        sizes[name] = 1
    step = batch_size(signature, 1)
    calls = [take(signature, rows, sizes, start=i * step) for i in range(max(1, min(ROTATION, len(rows) // step)))]
    return {key: np.stack([call[key] for call in calls]) for key in calls[0]}


def output_specs(inputs: Signature, runs: Sequence[tuple[Sizes, Arrays]]) -> tuple[TensorSpec, ...]:
    """Specs of the outputs, read off runs at several sizes: a dimension that follows a named one takes its name."""
    first = runs[0][1]
    specs = []
    for name, array in first.items():
        shape = tuple(_follow(axis, name, runs) or size for axis, size in enumerate(array.shape))
        specs.append(TensorSpec(name, dtype_name(array.dtype), shape))
    return tuple(specs)


def _follow(axis: int, name: str, runs: Sequence[tuple[Sizes, Arrays]]) -> str | None:
    seen = [outputs[name].shape[axis] for _, outputs in runs]
    if len(set(seen)) == 1:
        return None
    for dimension in runs[0][0]:
        if [sizes[dimension] for sizes, _ in runs] == seen:
            return dimension
    return f"{name}_{axis}"


def check_spread(outputs: Arrays) -> None:
    """Raises UserError where every row of every output is the same: against that no drift can be seen."""
    for array in outputs.values():
        if array.ndim == 0 or len(array) < 2 or (array != array[:1]).any():
            return
    raise UserError(
        "the source gives the same outputs for every sample, so that no candidate's drift could be seen; check the "
        "weights and the data, or put `accept_constant: true` under `tolerances`",
        "source.weights",
    )


def write_case(path: Path, index: int, inputs: Arrays, outputs: Arrays) -> None:
    save_arrays(path / f"case-{index}-inputs.npz", inputs)
    write_answers(path, index, outputs)


def write_answers(path: Path, index: int, outputs: Arrays) -> None:
    save_arrays(_outputs(path, index), outputs)


def _outputs(path: Path, index: int) -> Path:
    return path / f"case-{index}-outputs.npz"
