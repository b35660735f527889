"""Outliers of activations moved into the weights, where a scale per channel takes them (Xiao et al. 2023, SmoothQuant).

Each channel of a product's input is divided by s and its row of the weights multiplied by it, which changes nothing in
float. Where the tensor has no other reader, and what makes it has a scale of its own (a normalization, a convolution or
Gemm, also through Relu), the division goes there; else a multiplication is put in. Between two convolutions this is
cross-layer equalization (Nagel et al. 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Array
from optimize.quantizers.onnx_tools.augmented import channel_maxima, open_augmented
from optimize.samples import Batches


@dataclass(frozen=True)
class Smoothed:
    """How many inputs were smoothed by changing what makes them, and how many by a multiplication of their own."""

    folded: int
    inserted: int


def smooth(model: Any, nodes: Sequence[Any], batches: Batches, alpha: float, folder: Path) -> Smoothed:
    """Changes `model`. `alpha` is the share of the outliers that goes into the weights."""
    weights = _Weights(model.graph)
    groups: dict[str, list[Any]] = {}
    for node in nodes:
        if _axis(node, weights) is not None:
            groups.setdefault(node.input[0], []).append(node)
    maxima = _channel_maxima(model, groups, weights, batches, folder)
    folded = inserted = 0
    for tensor, readers in groups.items():
        scale = _scale(maxima[tensor], readers, weights, alpha)
        for node in readers:
            axis = _axis(node, weights) or 0
            weights.multiply(node, 1, scale, axis)
        if _fold(model.graph, tensor, readers, scale, weights):
            folded += 1
        else:
            _insert(model.graph, tensor, readers, scale, weights)
            inserted += 1
    return Smoothed(folded, inserted)


class _Weights:
    """Initializers as arrays; one that several nodes read is copied before it is changed."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self._graph = graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._arrays: dict[str, Array] = {}
        self._helper = numpy_helper
        self._readers: dict[str, int] = {}
        for node in graph.node:
            for name in node.input:
                self._readers[name] = self._readers.get(name, 0) + 1

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def get(self, name: str) -> Array:
        if name not in self._arrays:
            self._arrays[name] = self._helper.to_array(self._tensors[name])
        return self._arrays[name]

    def add(self, name: str, array: Array) -> str:
        tensor = self._helper.from_array(np.ascontiguousarray(array), name)
        self._graph.initializer.append(tensor)
        self._tensors[name] = self._graph.initializer[-1]
        self._arrays[name] = array
        self._readers[name] = 1
        return name

    def multiply(self, node: Any, position: int, scale: Array, axis: int) -> None:
        name = node.input[position]
        shape = [1] * self.get(name).ndim
        shape[axis] = len(scale)
        changed = (self.get(name) * scale.reshape(shape)).astype(self.get(name).dtype)
        if self._readers[name] > 1:
            self._readers[name] -= 1
            node.input[position] = self.add(f"{name}_of_{node.name}", changed)
        else:
            self._arrays[name] = changed
            self._tensors[name].CopyFrom(self._helper.from_array(changed, name))


def _axis(node: Any, weights: _Weights) -> int | None:
    """Of the weights: the one that runs along the input's channels; None where the node is not smoothed."""
    if len(node.input) < 2 or node.input[1] not in weights:
        return None
    attributes = {one.name: one.i for one in node.attribute}
    if node.op_type == "MatMul" and weights.get(node.input[1]).ndim == 2:
        return 0
    if node.op_type == "Gemm" and not attributes.get("transA", 0):
        return 1 if attributes.get("transB", 0) else 0
    return 1 if node.op_type == "Conv" and attributes.get("group", 1) == 1 else None


def _channel_maxima(
    model: Any, groups: Mapping[str, list[Any]], weights: _Weights, batches: Batches, folder: Path
) -> Mapping[str, Array]:
    """Largest magnitude of each channel over all rows."""
    made, kept = [], []
    for index, (tensor, readers) in enumerate(groups.items()):
        node = readers[0]
        channels = weights.get(node.input[1]).shape[_axis(node, weights) or 0]
        made += channel_maxima(model, tensor, index, channels, second=node.op_type == "Conv")
        kept.append(made[-1].output[0])
    session = open_augmented(model, made, kept, folder)
    names = [one.name for one in session.get_inputs()]
    largest: list[Array] | None = None
    for batch in batches:
        found = session.run(None, {name: batch[name] for name in names})
        largest = found if largest is None else [np.maximum(a, b) for a, b in zip(largest, found, strict=True)]
    return dict(zip(groups, [one.ravel() for one in largest or []], strict=True))


def _scale(most: Array, readers: Sequence[Any], weights: _Weights, alpha: float) -> Array:
    """max|x|^alpha / max|w|^(1 - alpha), per channel; 1 where either is zero."""
    largest = np.zeros(len(most))
    for node in readers:
        array, axis = np.abs(weights.get(node.input[1])), _axis(node, weights) or 0
        largest = np.maximum(largest, array.max(axis=tuple(i for i in range(array.ndim) if i != axis)))
    usable = (most > 0) & (largest > 0)
    scale = np.ones(len(most))
    scale[usable] = most[usable].astype(np.float64) ** alpha / largest[usable] ** (1 - alpha)
    return np.clip(scale, 1e-5, 1e5)


def _fold(graph: Any, tensor: str, readers: Sequence[Any], scale: Array, weights: _Weights) -> bool:
    """Divide where the tensor is made. False, and nothing changed, where that would change something else."""
    makers = {name: node for node in graph.node for name in node.output}
    if not _read_by(graph, tensor, len(readers)):
        return False
    maker = makers.get(tensor)
    if maker is not None and maker.op_type in ("Relu", "LeakyRelu"):
        tensor = maker.input[0]
        maker = makers.get(tensor) if _read_by(graph, tensor, 1) else None
    if maker is None:
        return False
    where = _own_scale(maker, weights, convolution=readers[0].op_type == "Conv")
    if where is None or any(
        weights.get(maker.input[position]).shape[axis] != len(scale) for position, axis in where.items()
    ):
        return False
    for position, axis in where.items():
        weights.multiply(maker, position, 1 / scale, axis)
    return True


def _read_by(graph: Any, tensor: str, count: int) -> bool:
    """Whether so many inputs of nodes, and no output of the graph, are this tensor."""
    found = sum(name == tensor for node in graph.node for name in node.input)
    return found == count and all(one.name != tensor for one in graph.output)


def _own_scale(maker: Any, weights: _Weights, convolution: bool) -> dict[int, int] | None:
    """Position of each constant that scales the maker's output channels, to its axis of them."""
    attributes = {one.name: one.i for one in maker.attribute}
    constant = [index for index in range(1, len(maker.input)) if maker.input[index]]
    if not constant or any(maker.input[index] not in weights for index in constant):
        return None
    if maker.op_type == "Conv" and convolution:
        return dict.fromkeys(constant, 0)
    if maker.op_type == "LayerNormalization" and not convolution:
        return dict.fromkeys(constant, 0)
    if maker.op_type == "Gemm" and not convolution and all(weights.get(maker.input[i]).ndim == 1 for i in constant[1:]):
        return {1: 0 if attributes.get("transB", 0) else 1, **dict.fromkeys(constant[1:], 0)}
    return None


def _insert(graph: Any, tensor: str, readers: Sequence[Any], scale: Array, weights: _Weights) -> None:
    """A multiplication before the readers, in the graph's order."""
    import onnx

    behind = weights.get(readers[0].input[1]).ndim - 2 if readers[0].op_type == "Conv" else 0
    shape = (len(scale), *[1] * behind)
    factor = weights.add(f"{tensor}_smoothing", (1 / scale).astype(np.float32).reshape(shape))
    node = onnx.helper.make_node("Mul", [tensor, factor], [f"{tensor}_smoothed"], f"{tensor}_smooth")
    names = {reader.name for reader in readers}
    first = next(index for index, one in enumerate(graph.node) if one.name in names)
    for reader in readers:
        reader.input[0] = node.output[0]
    graph.node.insert(first, node)
