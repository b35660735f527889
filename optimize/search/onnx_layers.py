"""How sensitive each layer of an ONNX graph is to being quantized: one pass over real rows.

Beside every quantized operator of the float graph stands a copy of it that is given the same float inputs through the
quantized model's own scales. What differs between the outputs of the two is what quantizing this layer alone adds:
nothing adds up from layer to layer. Signal and noise are summed up per channel inside the graph, so that no activation
leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.quantizers.onnx_tools.graph import load_prepared
from optimize.runtimes.onnx import FILE
from optimize.search.sensitivity import NOISE, SIGNAL, Sums

LOCAL = "local/"
AXES_AS_INPUT = 18
"""The opset from which ReduceSumSquare is given its axes so."""


def rank(model: Artifact, quantized: Artifact, batches: Iterable[Arrays], work: Path) -> list[dict[str, Any]]:
    """`layer`, `kind` and `snr_db`, the most sensitive first; ties in the order of the graph.

    The float graph is prepared as the quantizer had it: its nodes keep their names in the quantized one.
    """
    import onnx
    import onnxruntime

    folder = work / "prepared"
    folder.mkdir()
    beside = _Beside(load_prepared(model, folder), onnx.load(quantized.path / FILE))
    layers = beside.layers()
    if not layers:
        return []
    path = work / "beside.onnx"
    onnx.save(beside.model, path, save_as_external_data=True, location="beside.data")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    sums = Sums()
    for batch in batches:
        found = session.run(names, batch)
        sums.add({name.removeprefix(LOCAL): value for name, value in zip(names, found, strict=True)})
    return sums.ranked(layers)


class _Beside:
    """The float graph with the copies in it."""

    def __init__(self, model: Any, quantized: Any) -> None:
        self.model = model
        self._graph = model.graph
        self._quantized = {node.name: node for node in quantized.graph.node}
        self._makers = {name: node for node in quantized.graph.node for name in node.output}
        self._readers = {name: node for node in quantized.graph.node for name in node.input}
        self._weights = {tensor.name: tensor for tensor in quantized.graph.initializer}
        self._shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
        self._opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self._copied: set[str] = set()

    def layers(self) -> list[tuple[str, str]]:
        """Name and operator of each layer that was added; the graph's outputs are then their sums alone."""
        nodes, added = list(self._graph.node), []
        del self._graph.output[:]
        for node in nodes:
            inputs = self._inputs(node)
            if inputs:
                self._add_copy(node, inputs)
                added.append((node.name, node.op_type))
        return added

    def _inputs(self, node: Any) -> list[str]:
        """Of the copy; empty where the quantized graph computes this node in float, or it is no layer."""
        twin = self._quantized.get(node.name)
        if twin is None or twin.op_type != node.op_type:
            return self._dynamic(node)
        if not any(self._is_stored(name) for name in twin.input):
            return []
        return [self._dequantized(node, index, twin.input[index]) for index in range(len(node.input))]

    def _is_stored(self, name: str) -> bool:
        """Whether it is a weight, kept in integers: what has none is no layer of its own."""
        maker = self._makers.get(name)
        return maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in self._weights

    def _dequantized(self, node: Any, index: int, twin_input: str) -> str:
        """The float input through the pair that stands before it in the quantized graph."""
        maker = self._makers.get(twin_input)
        if maker is None or maker.op_type != "DequantizeLinear":
            return str(node.input[index])
        pair = self._makers.get(maker.input[0])
        source = self._weight(maker.input[0])
        if pair is not None and pair.op_type == "QuantizeLinear":
            source = self._add(pair, node, [node.input[index], *map(self._weight, pair.input[1:])], f"q{index}")
        return self._add(maker, node, [source, *map(self._weight, maker.input[1:])], f"d{index}")

    def _add(self, like: Any, node: Any, inputs: list[str], suffix: str) -> str:
        """A copy of `like` with these inputs; the name of its output."""
        copy = self._graph.node.add()
        copy.CopyFrom(like)
        copy.name = f"{LOCAL}{node.name}/{suffix}"
        del copy.input[:]
        copy.input.extend(inputs)
        copy.output[0] = copy.name
        return str(copy.name)

    def _weight(self, name: str) -> str:
        """An initializer of the quantized graph, brought over once; another name as it is."""
        if name not in self._weights:
            return name
        own = f"{LOCAL}{name}"
        if own not in self._copied:
            self._copied.add(own)
            tensor = self._graph.initializer.add()
            tensor.CopyFrom(self._weights[name])
            tensor.name = own
        return own

    def _dynamic(self, node: Any) -> list[str]:
        """As dynamic quantization computes it: weights as they are stored, activations quantized when they come."""
        from onnx import helper

        names = (
            [f"{node.input[1]}_{part}" for part in ("quantized", "scale", "zero_point")] if len(node.input) > 1 else []
        )
        if node.op_type != "MatMul" or not names or not all(name in self._weights for name in names):
            return []
        weight, scale = self._weights[names[0]], self._weights[names[1]]
        axis = {"axis": len(weight.dims) - 1} if math.prod(scale.dims) > 1 else {}
        mine = [f"{LOCAL}{node.name}/{part}" for part in ("x", "scale", "zero", "activation", "weight")]
        self._graph.node.extend([
            helper.make_node("DynamicQuantizeLinear", [node.input[0]], mine[:3], f"{LOCAL}{node.name}/quantize"),
            helper.make_node("DequantizeLinear", mine[:3], [mine[3]], mine[3]),
            helper.make_node("DequantizeLinear", [self._weight(name) for name in names], [mine[4]], mine[4], **axis),
        ])  # fmt: skip
        return mine[3:]

    def _add_copy(self, node: Any, inputs: list[str]) -> None:
        from onnx import helper

        name, copy, target = f"{LOCAL}{node.name}", self._add(node, node, inputs, "copy"), node.output[0]
        twin = self._quantized.get(node.name)
        pair = self._readers.get(twin.output[0]) if twin is not None else None
        if twin is not None and pair is not None and pair.op_type == "QuantizeLinear":
            # Its output is stored in integers too; where a Relu went into that, it is the Relu's.
            integers = self._add(pair, node, [copy, *map(self._weight, pair.input[1:])], "quantize")
            back = self._readers[pair.output[0]]
            copy = self._add(back, node, [integers, *map(self._weight, back.input[1:])], "dequantize")
            target = twin.output[0]
        difference = helper.make_node("Sub", [target, copy], [f"{name}/difference"], f"{name}/difference")
        self._graph.node.append(difference)
        shape = self._channels(node)
        self._sum(target, shape, f"{name}/{SIGNAL}")
        self._sum(difference.output[0], shape, f"{name}/{NOISE}")

    def _channels(self, node: Any) -> list[int]:
        """The shape that puts the channels of its output on an axis of their own."""
        weight = self._shapes.get(node.input[1], [])
        if node.op_type == "Conv" and weight:
            return [0, weight[0], -1]
        turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return [-1, weight[0 if turned else -1]] if weight else [-1, 1]

    def _sum(self, source: str, shape: list[int], name: str) -> None:
        """Of squares, per channel, as an output of the graph."""
        from onnx import TensorProto, helper

        axes = [axis for axis in range(len(shape)) if axis != 1]
        self._graph.initializer.append(helper.make_tensor(f"{name}/shape", TensorProto.INT64, [len(shape)], shape))
        self._graph.node.append(
            helper.make_node("Reshape", [source, f"{name}/shape"], [f"{name}/flat"], f"{name}/flat")
        )
        inputs, told = [f"{name}/flat"], {"axes": axes}
        if self._opset >= AXES_AS_INPUT:
            self._graph.initializer.append(helper.make_tensor(f"{name}/axes", TensorProto.INT64, [len(axes)], axes))
            inputs, told = [*inputs, f"{name}/axes"], {}
        self._graph.node.append(helper.make_node("ReduceSumSquare", inputs, [name], name, keepdims=0, **told))
        self._graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["channels"]))
