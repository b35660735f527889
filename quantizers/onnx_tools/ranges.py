"""Ranges of activations, over calibration rows that are streamed: memory does not grow with their number.

ONNX Runtime's own calibrators return every activation of every batch, and two of them keep those until the end (ViT
took more than 20 GB). Here the graph itself reduces each tensor to its two extremes; the methods that look at the
distribution go over the rows again, and count a sample of each tensor into a histogram of fixed size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.quantizers.onnx_tools.augmented import open_augmented, sample
from optimize.quantizers.onnx_tools.thresholds import BINS, entropy_range, percentile_range
from optimize.samples import Batches

Ranges = Mapping[str, tuple[float, float]]
SAMPLED = 1 << 23
"""Numbers of all tensors together that a batch may leave for the histograms: 32 MB."""


def find_ranges(
    model: Any, tensors: Sequence[str], batches: Batches, method: str, percentile: float, folder: Path
) -> Ranges:
    """Lowest and highest of each tensor by `minmax`, `moving_average` (the mean of the batches' extremes),
    `percentile` or `entropy`. `folder` takes files while it runs."""
    lows, highs, sizes = _extremes(model, tensors, batches, folder, average=method == "moving_average")
    extremes = {name: (float(lows[i]), float(highs[i])) for i, name in enumerate(tensors)}
    if method in ("minmax", "moving_average"):
        return extremes
    counts = _histograms(model, extremes, sizes, batches, folder)
    if method == "percentile":
        return {name: percentile_range(counts[name], extremes[name], percentile) for name in tensors}
    return {name: entropy_range(counts[name], extremes[name]) for name in tensors}


def _extremes(
    model: Any, tensors: Sequence[str], batches: Batches, folder: Path, average: bool
) -> tuple[Array, Array, Array]:
    """Lows, highs and (largest) sizes, each of shape [tensors]."""
    import onnx

    made = []
    for index, name in enumerate(tensors):
        for kind in ("ReduceMin", "ReduceMax"):
            made.append(onnx.helper.make_node(kind, [name], [f"{kind}_{index}_"], keepdims=0))
        made.append(onnx.helper.make_node("Size", [name], [f"Size_{index}_"]))
    kept = [output for node in made for output in node.output]
    session = open_augmented(model, made, kept, folder)
    total = np.zeros((3, len(tensors)))
    for number, batch in enumerate(batches):
        values = np.asarray(session.run(None, _fed(session, batch)), np.float64).reshape(len(tensors), 3).T
        if number == 0:
            total = values
        elif average:
            total = total + values
        else:
            total = np.stack([np.minimum(total[0], values[0]), *np.maximum(total[1:], values[1:])])
    if average:
        return total[0] / len(batches), total[1] / len(batches), total[2] / len(batches)
    return total[0], total[1], total[2]


def _histograms(model: Any, extremes: Ranges, sizes: Array, batches: Batches, folder: Path) -> Mapping[str, Array]:
    """Counts of each tensor in BINS equal bins over [-m, m], m its largest magnitude."""
    made, kept = [], []
    for index, name in enumerate(extremes):
        made += sample(name, index, _step(sizes[index], SAMPLED // max(1, len(extremes))))
        kept.append(made[-1].output[0])
    session = open_augmented(model, made, kept, folder)
    counts = {name: np.zeros(BINS, np.int64) for name in extremes}
    for batch in batches:
        for (name, (low, high)), values in zip(extremes.items(), session.run(None, _fed(session, batch)), strict=True):
            most = max(abs(low), abs(high)) or 1.0
            places = ((values.ravel() + most) * (BINS / (2 * most))).astype(np.int32)
            counts[name] += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)
    return counts


def _step(size: float, most: int) -> int:
    """Every so manieth number is taken: a prime, so that it does not walk along one channel or column."""
    step = int(np.ceil(size / most))
    while step > 1 and any(step % divisor == 0 for divisor in range(2, int(step**0.5) + 1)):
        step += 1
    return max(1, step)


def _fed(session: Any, batch: Arrays) -> Arrays:
    """An input that no kept tensor hangs on is not asked for."""
    return {one.name: batch[one.name] for one in session.get_inputs()}
