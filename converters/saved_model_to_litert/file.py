"""The weights in the places of their stand-ins, in LiteRT's flat file, which is written with one of them in memory."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.converters.saved_model_to_litert.operators import Model, give_back
from optimize.converters.saved_model_to_litert.weights import ROWS, StandIn

ALIGNMENT = 16
"""Of a tensor's bytes, as the file's schema has it."""
FIELDS = (4, 6, 8)
"""Of a buffer: its data, that is how far away they are, and where in the file they begin and how many they are if they
are not where a distance can say."""
MOST_BYTES = 2_000_000_000
"""That distances are written for: readers take them for signed numbers of 32 bits."""
Read = Callable[[Any], Any]
"""From a variable to its value, which nobody else holds."""


@dataclass(frozen=True)
class Constant:
    """What a tensor must hold: the weight of a stand-in, and of a product's each column times its `scale`."""

    stand_in: StandIn
    scale: Any = None

    @property
    def key(self) -> Any:
        """The same for what has the same bytes."""
        one = self.stand_in
        turned = one.sums and (one.axis, len(one.variable.shape)) != (1, 2)
        return id(one.variable), turned and one.axis, None if self.scale is None else self.scale.tobytes()

    @property
    def shape(self) -> list[int]:
        sizes = [int(size) for size in self.stand_in.variable.shape]
        if not self.stand_in.sums:
            return sizes
        summed = sizes.pop(self.stand_in.axis)
        return [math.prod(sizes), summed]

    def read(self, read: Read) -> Any:
        import numpy as np

        array = _laid_out(self.stand_in, read(self.stand_in.variable))
        return np.ascontiguousarray(array if self.scale is None else array * self.scale)


def put_back(content: bytes, stand_ins: Sequence[StandIn], read: Read, path: Path) -> list[Any]:
    """Write to `path` the model that the converter made, with the weights instead of their stand-ins.

    Nothing is written where a stand-in is not found where a product or a look-up has it alone: the converter has put it
    together with something, or would have put the weight. Gives the weights of those.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = Model(schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0)), schema)
    buffers = enumerate(model.content.buffers)
    found = {number: one for number, buffer in buffers if (one := _recognize(buffer.data, stand_ins))}
    there = {id(one.stand_in) for one in found.values()}
    refused = [one for one in stand_ins if id(one) not in there]
    refused += give_back(model, {number: one.stand_in for number, one in found.items()})
    if not refused:
        _write(model, _share(model.content, found), read, path)
    return [one.variable for one in refused]


def _recognize(data: Any, stand_ins: Sequence[StandIn]) -> Constant | None:
    """By its values, of which products that the converter has made with a constant leave the ratios as they were."""
    import numpy as np

    same_size = [one for one in stand_ins if data is not None and len(data) == one.values.nbytes]
    for one in same_size:
        values, expected = data.view(np.float32), _laid_out(one, one.values)
        if np.array_equal(values, expected.reshape(-1)):
            return Constant(one)
        scale = values.reshape(-1, ROWS)[:, :1]
        if one.sums and scale.any() and np.array_equal(values.reshape(-1, ROWS), expected * scale):
            return Constant(one, scale)
    return None


def _laid_out(stand_in: StandIn, array: Any) -> Any:
    """As the file has it: of two axes, and what a product sums over is the last."""
    import numpy as np

    if not stand_in.sums:
        return array
    return np.moveaxis(array, stand_in.axis, -1).reshape(-1, array.shape[stand_in.axis])


def _share(content: Any, found: Mapping[int, Constant]) -> dict[int, Constant]:
    """One buffer for what has the same bytes, and the tensors with the shapes of their weights."""
    first: dict[Any, int] = {}
    for number, one in found.items():
        content.buffers[number].data = None
        same = first.setdefault(one.key, number)
        for tensor in (tensor for graph in content.subgraphs for tensor in graph.tensors if tensor.buffer == number):
            tensor.shape, tensor.buffer = one.shape, same
    return {number: found[number] for number in first.values()}


def _write(model: Model, weights: Mapping[int, Constant], read: Read, path: Path) -> None:
    """The weights stand after all else: the fields that say where they are get their values at the end."""
    import flatbuffers
    import numpy as np

    far = sum(4 * math.prod(one.shape) for one in weights.values()) > MOST_BYTES
    for number in weights:
        buffer = model.content.buffers[number]
        buffer.data, buffer.offset, buffer.size = (None, 2, 2) if far else (np.zeros(1, np.uint8), 0, 0)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.content.Pack(builder), file_identifier=b"TFL3")
    head = builder.Output()
    table = model.schema.Model.GetRootAsModel(head, 0)
    with path.open("wb") as file:
        file.write(head)
        for number, one in weights.items():
            data = one.read(read)
            start = file.tell() + -(file.tell() + 4) % ALIGNMENT
            file.seek(start)
            file.write(bytes(4) if far else struct.pack("<I", data.nbytes))
            file.write(data.data)
            _point(head, table.Buffers(number)._tab, start, data.nbytes, far)
        file.seek(0)
        file.write(head)


def _point(head: bytearray, buffer: Any, start: int, size: int, far: bool) -> None:
    """At the bytes that follow their number, which stands at `start`."""
    data, offset, length = (buffer.Pos + buffer.Offset(field) for field in FIELDS)
    if far:
        struct.pack_into("<Q", head, offset, start + 4)
        struct.pack_into("<Q", head, length, size)
    else:
        struct.pack_into("<I", head, data, start - data)
