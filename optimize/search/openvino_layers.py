"""How sensitive each layer of an OpenVINO graph is to being quantized: one pass over real rows.

The quantized graph is laid into the float one: what the quantizer has put into it reads the float graph's tensors
instead of its own. What follows, to the next layer, is then given what quantizing that tensor alone makes of it, and
nothing adds up from layer to layer. Signal and noise are summed up per channel inside the graph, so that no activation
leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.runtimes.openvino import FILE, leave_telemetry_out, properties
from optimize.search.sensitivity import NOISE, SIGNAL, Sums

CHANNELS = {
    "Convolution": 1,
    "GroupConvolution": 1,
    "ConvolutionBackpropData": 1,
    "GroupConvolutionBackpropData": 1,
    "MatMul": -1,
}
"""Kind of layer to the axis of its output that holds the channels."""
FAKE_QUANTIZE = "FakeQuantize"
INTEGERS = ("i8", "u8")


def rank(model: Artifact, quantized: Artifact, batches: Iterable[Arrays], work: Path) -> list[dict[str, Any]]:
    """`layer`, `kind` and `snr_db`, the most sensitive first; ties in the order of the graph.

    Both graphs name an operation alike: by its friendly name, which the quantizer takes to exclude it.
    """
    leave_telemetry_out()
    import openvino

    core = openvino.Core()
    plain = core.read_model(model.path / FILE)
    outputs, layers = _lay_in(plain, core.read_model(quantized.path / FILE))
    if not layers:
        return []
    beside = openvino.Model(list(outputs.values()), plain.get_parameters())
    request = core.compile_model(beside, "CPU", properties(1)).create_infer_request()
    sums = Sums()
    for batch in batches:
        found = request.infer(dict(batch))
        sums.add({name: found[index] for index, name in enumerate(outputs)})
    return sums.ranked(layers)


def _lay_in(plain: Any, quantized: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """`LAYER/signal` and `LAYER/noise` as operations on the float graph's inputs, and name and kind of each layer."""
    known, weights = _Known(quantized), _Known(plain).constant
    _read_from(plain, known)
    outputs: dict[str, Any] = {}
    layers = []
    for layer in plain.get_ordered_ops():
        name, kind = layer.get_friendly_name(), layer.get_type_name()
        twin = known.operations.get(name)
        if kind not in CHANNELS or twin is None or twin.get_type_name() != kind or not _reads(layer, 1, weights):
            continue
        if _reads(twin, 1, known.stored):
            if not _reads(twin, 0, known.local):
                twin.input(0).replace_source_output(layer.input_value(0))
            outputs[f"{name}/{SIGNAL}"] = _squares(layer.output(0), CHANNELS[kind])
            outputs[f"{name}/{NOISE}"] = _squares(_difference(layer, twin), CHANNELS[kind])
            layers.append((name, kind))
    return outputs, layers


def _reads(operation: Any, index: int, names: set[str]) -> bool:
    return operation.input_value(index).get_node().get_friendly_name() in names


@dataclass
class _Known:
    """What is known of a graph's operations, by their names, before anything of it is changed."""

    graph: Any
    operations: dict[str, Any] = field(default_factory=dict)
    constant: set[str] = field(default_factory=set)
    """The same at every run."""
    stored: set[str] = field(default_factory=set)
    """Constant, and kept in integers."""
    local: set[str] = field(default_factory=set)
    """All that is in it comes of quantized tensors, with no layer in between."""

    def __post_init__(self) -> None:
        for operation in self.graph.get_ordered_ops():
            name, kind = operation.get_friendly_name(), operation.get_type_name()
            sources = {value.get_node().get_friendly_name() for value in operation.input_values()}
            self.operations[name] = operation
            if kind == "Constant" or (sources and sources <= self.constant):
                self.constant.add(name)
                if sources & self.stored or _is_integer(operation) or kind == FAKE_QUANTIZE:
                    self.stored.add(name)
            elif kind == FAKE_QUANTIZE or (kind not in CHANNELS and self._all_local(operation)):
                self.local.add(name)

    def _all_local(self, operation: Any) -> bool:
        """Sizes, which are whole numbers, hold no noise."""
        sources = [value.get_node() for value in operation.input_values() if value.get_element_type().is_real()]
        names = {source.get_friendly_name() for source in sources} - self.constant
        return bool(names) and names <= self.local


def _is_integer(operation: Any) -> bool:
    return operation.get_type_name() == "Constant" and operation.get_element_type().to_string() in INTEGERS


def _read_from(plain: Any, known: _Known) -> None:
    """Lets what the quantizer has put in, and what asks for sizes, read the float graph's tensors.

    Not FakeQuantize alone is put in: SmoothQuant's multiplications stand before it.
    """
    own = {operation.get_friendly_name(): operation for operation in plain.get_ops()}
    for name, operation in known.operations.items():
        kind = operation.get_type_name()
        if kind == "Parameter":
            operation.output(0).replace(own[name].output(0))
        elif name not in own or kind == "ShapeOf":
            for index, value in enumerate(operation.input_values()):
                source = value.get_node().get_friendly_name()
                if source in own and source not in known.constant:
                    operation.input(index).replace_source_output(own[source].output(value.get_index()))


def _difference(layer: Any, twin: Any) -> Any:
    from openvino import opset13 as ops

    return ops.subtract(layer.output(0), twin.output(0)).output(0)


def _squares(value: Any, channels: int) -> Any:
    """Summed up over all axes but that of the channels."""
    import numpy as np
    from openvino import opset13 as ops

    rank = value.get_partial_shape().rank.get_length()
    axes = [axis for axis in range(rank) if axis != channels % rank]
    return ops.reduce_sum(ops.multiply(value, value), np.array(axes, np.int64))
