"""Shapes, and what only moves or repeats elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from onnx import numpy_helper

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight, channels_last, plain
from optimize.converters.onnx_to_saved_model.rules.registry import rule
from optimize.converters.onnx_to_saved_model.values import as_value, known, numbers, shape_of


@rule("Identity")
def identity(node: Any, x: Value) -> Value:
    return x


@rule("Constant")
def constant(node: Any) -> Value:
    (attribute,) = (a for a in node.proto.attribute if a.name != "doc_string")
    value = node.get(attribute.name)
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64,
             "value_string": object, "value_strings": object}  # fmt: skip
    if attribute.name == "value":
        array = numpy_helper.to_array(value)
    elif attribute.name in kinds:
        array = np.asarray(value, kinds[attribute.name])
    else:
        raise ValueError(f"a constant given as {attribute.name} has no rule")
    return Weight(node.outputs[0], array, node.store)


@rule("Shape")
def shape(node: Any, x: Value) -> Value:
    items = shape_of(x)[node.get("start", 0) : node.get("end")]
    return as_value(items, tf.int64, node.outputs[0], node.store)


@rule("Size")
def size(node: Any, x: Value) -> Any:
    return tf.cast(tf.size(x.data), tf.int64)


@rule("Reshape")
def reshape(node: Any, x: Value, target: Value | None = None) -> Any:
    """A 0 keeps the axis in its place, unless `allowzero` says that it is a size."""
    wanted = node.get("shape") if target is None else numbers(target)
    if wanted is None:
        return tf.reshape(x.tensor, target.tensor)  # type: ignore[union-attr]
    if not node.get("allowzero"):
        wanted = [x.size(axis) if isinstance(w, int) and w == 0 else w for axis, w in enumerate(wanted)]
    return symbolic.reshape(x.tensor, wanted)


@rule("Flatten")
def flatten(node: Any, x: Value) -> Any:
    axis = node.get("axis") + (x.rank if node.get("axis") < 0 else 0)
    before, after = (symbolic.product([x.size(a) for a in axes]) for axes in (range(axis), range(axis, x.rank)))
    return symbolic.reshape(x.tensor, [before, after] if symbolic.is_known(before) else [-1, after])


@rule("Transpose")
def transpose(node: Any, x: Value) -> Value:
    return x.permuted(node.get("perm", list(range(x.rank))[::-1]))


def axes_of(node: Any, axes: Value | None) -> list[int] | None:
    """An attribute in older versions, an input in newer ones."""
    return node.get("axes") if axes is None else known(axes, "axes")


@rule("Squeeze")
def squeeze(node: Any, x: Value, axes: Value | None = None) -> Any:
    given = axes_of(node, axes)
    if given is None:
        given = [axis for axis, size in enumerate(x.shape) if size == 1]
    removed = {axis % x.rank for axis in given}
    sizes = [x.size(axis) for axis in range(x.rank) if axis not in removed]
    return symbolic.reshape(x.tensor, sizes)


@rule("Unsqueeze")
def unsqueeze(node: Any, x: Value, axes: Value | None = None) -> Any:
    given = axes_of(node, axes) or []
    rank = x.rank + len(given)
    new = {axis % rank for axis in given}
    old = iter(range(x.rank))
    return symbolic.reshape(x.tensor, [1 if axis in new else x.size(next(old)) for axis in range(rank)])


@rule("Expand")
def expand(node: Any, x: Value, target: Value) -> Any:
    """Broadcasts both ways: where the target has a 1, the operand's own size stays."""
    wanted = numbers(target)
    if wanted is None:
        return tf.broadcast_to(
            x.tensor, tf.broadcast_dynamic_shape(tf.shape(x.tensor), tf.cast(target.tensor, tf.int32))
        )
    rank = max(len(wanted), x.rank)
    wanted = [1] * (rank - len(wanted)) + wanted
    own = [1] * (rank - x.rank) + [x.size(axis) for axis in range(x.rank)]
    return tf.broadcast_to(x.tensor, symbolic.shape([_wider(a, b) for a, b in zip(own, wanted, strict=True)]))


def _wider(own: Any, wanted: Any) -> Any:
    if isinstance(wanted, int):
        return own if wanted == 1 else wanted
    if isinstance(own, int):
        return wanted if own == 1 else own
    return tf.where(tf.equal(own, 1), wanted, own)


@rule("Tile")
def tile(node: Any, x: Value, repeats: Value) -> Any:
    wanted = numbers(repeats)
    return tf.tile(x.tensor, tf.cast(repeats.tensor, tf.int32) if wanted is None else symbolic.shape(wanted))


@rule("Concat")
def concat(node: Any, *parts: Value) -> Value:
    """In the order of the first part that is not in plain order, so that channels stay last."""
    axis = node.get("axis", 1)
    order = next((p.order for p in parts if p.order != plain(p.rank) and not isinstance(p, Weight)), parts[0].order)
    order = (
        plain(parts[0].rank) if isinstance(parts[0], Weight) and all(isinstance(p, Weight) for p in parts) else order
    )
    return Value(tf.concat([part.stored(order) for part in parts], order[axis % parts[0].rank]), order)


@rule("Split")
def split(node: Any, x: Value, sizes: Value | None = None) -> list[Value]:
    axis = node.get("axis") % x.rank
    given = node.get("split") if sizes is None else numbers(sizes)
    if given is None:
        given = _even_sizes(x.size(axis), len(node.outputs), node.get("num_outputs") is not None)
    parts = tf.split(x.data, given if isinstance(given, int) else symbolic.shape(given), x.order[axis])
    return [Value(part, x.order) for part in parts]


def _even_sizes(size: Any, parts: int, uneven: bool) -> Any:
    """The last one smaller, where they do not come out even and `uneven` allows it."""
    if not uneven or (isinstance(size, int) and size % parts == 0):
        return parts
    chunk = -(-size // parts)
    return [*[chunk] * (parts - 1), size - chunk * (parts - 1)]


@rule("Slice")
def slice_(node: Any, x: Value, *inputs: Value | None) -> Value:
    given = [*inputs, None, None, None, None][:4]
    starts, ends, axes, steps = (
        node.get(name) if value is None else _bounds(value)
        for name, value in zip(("starts", "ends", "axes", "steps"), given, strict=True)
    )
    axes = list(range(len(starts))) if axes is None else axes
    slices = [slice(None)] * x.rank
    for index, axis in enumerate(axes):
        step = 1 if steps is None else steps[index]
        slices[x.order[axis % x.rank]] = slice(_limited(starts[index]), _end(ends[index], step), step)
    return Value(x.data[tuple(slices)], x.order)


def _bounds(value: Value) -> list[Any]:
    found = numbers(value)
    if found is None:
        raise ValueError("slices at places whose count only the running model knows cannot be said in TensorFlow")
    return found


def _limited(bound: Any) -> Any:
    """TensorFlow's slices have int32 bounds; ONNX writes "to the end" as the largest int64."""
    return max(min(bound, symbolic.END), -symbolic.END) if isinstance(bound, int) else bound


def _end(bound: Any, step: Any) -> Any:
    if isinstance(bound, int) and (bound >= symbolic.END or (bound <= -symbolic.END and step < 0)):
        return None
    return _limited(bound)


@rule("Pad")
def pad(node: Any, x: Value, pads: Value | None = None, value: Value | None = None, axes: Value | None = None) -> Value:
    amounts = node.get("pads") if pads is None else _bounds(pads)
    given = list(range(x.rank)) if axes is None else known(axes, "axes")
    pairs: list[tuple[Any, Any]] = [(0, 0)] * x.rank
    for index, axis in enumerate(given):
        pairs[x.order[axis % x.rank]] = (amounts[index], amounts[index + len(given)])
    fill = node.get("value", 0.0) if value is None else tf.reshape(value.tensor, [])
    mode = node.get("mode")
    if mode == "constant":
        return Value(padded(x.data, pairs, fill), x.order)
    return Value(_mirrored(x.data, pairs, mode), x.order)


def padded(data: Any, pairs: list[tuple[Any, Any]], value: Any) -> Any:
    """Negative amounts cut off."""
    cut = [pair for pair in pairs if any(isinstance(p, int) and p < 0 for p in pair)]
    if cut:
        ends = [slice(max(-a, 0), min(b, 0) or None) for a, b in pairs]
        data, pairs = data[tuple(ends)], [(max(a, 0), max(b, 0)) for a, b in pairs]
    if all(isinstance(p, int) and p == 0 for pair in pairs for p in pair):
        return data
    return tf.pad(data, [list(pair) for pair in pairs], constant_values=tf.cast(value, data.dtype))


def _mirrored(data: Any, pairs: list[tuple[Any, Any]], mode: str) -> Any:
    for axis, (before, after) in enumerate(pairs):
        if isinstance(before, int) and isinstance(after, int) and before == after == 0:
            continue
        size = symbolic.sizes(data)[axis]
        place = tf.range(-before, size + after)
        data = tf.gather(data, _source(place, size, mode), axis=axis)
    return data


def _source(place: Any, size: Any, mode: str) -> Any:
    """Which element stands at a place outside."""
    if mode == "edge":
        return tf.clip_by_value(place, 0, size - 1)
    if mode == "wrap":
        return tf.math.floormod(place, size)
    period = symbolic.maximum(2 * (size - 1), 1)
    inside = tf.math.floormod(place, period)
    return tf.where(inside >= size, period - inside, inside)


@rule("DepthToSpace")
def depth_to_space(node: Any, x: Value) -> Value:
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "DCR":
        return Value(tf.nn.depth_to_space(x.stored(channels_last(4)), block), channels_last(4))
    n, c, h, w = (x.size(axis) for axis in range(4))
    split = symbolic.reshape(x.tensor, [n, c // (block * block), block, block, h, w])
    moved = tf.transpose(split, (0, 1, 4, 2, 5, 3))
    return Value(symbolic.reshape(moved, [n, c // (block * block), h * block, w * block]))


@rule("SpaceToDepth")
def space_to_depth(node: Any, x: Value) -> Value:
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "DCR":
        return Value(tf.nn.space_to_depth(x.stored(channels_last(4)), block), channels_last(4))
    n, c, h, w = (x.size(axis) for axis in range(4))
    split = symbolic.reshape(x.tensor, [n, c, h // block, block, w // block, block])
    moved = tf.transpose(split, (0, 1, 3, 5, 2, 4))
    return Value(symbolic.reshape(moved, [n, c * block * block, h // block, w // block]))


@rule("ConstantOfShape")
def constant_of_shape(node: Any, target: Value) -> Any:
    given = node.get("value")
    value = tf.zeros([], tf.float32) if given is None else tf.constant(numpy_helper.to_array(given).reshape(()))
    wanted = numbers(target)
    return tf.fill(tf.cast(target.tensor, tf.int32) if wanted is None else symbolic.shape(wanted), value)


@rule("Range")
def range_(node: Any, start: Value, limit: Value, delta: Value) -> Any:
    first, last, step = (tf.reshape(value.tensor, []) for value in (start, limit, delta))
    dtype = first.dtype
    if dtype in (tf.int32, tf.int64, tf.float32, tf.float64):
        return tf.range(first, last, step)
    wide = tf.float32 if dtype.is_floating else tf.int64
    return tf.cast(tf.range(*(tf.cast(value, wide) for value in (first, last, step))), dtype)


@rule("EyeLike")
def eye_like(node: Any, x: Value) -> Any:
    rows, columns = tf.range(x.size(0))[:, None], tf.range(x.size(1))[None, :]
    return tf.cast(tf.equal(columns - rows, node.get("k")), node.dtype)


@rule("Trilu")
def triangle(node: Any, x: Value, k: Value | None = None) -> Any:
    """The upper triangle from the k-th diagonal on, or the lower one up to it."""
    offset = 0 if k is None else tf.cast(tf.reshape(k.tensor, []), tf.int32)
    distance = tf.range(x.size(x.rank - 1))[None, :] - tf.range(x.size(x.rank - 2))[:, None]
    kept = distance >= offset if node.get("upper") else distance <= offset
    return tf.where(kept, x.tensor, tf.zeros_like(x.tensor))


@rule("ReverseSequence")
def reverse_sequence(node: Any, x: Value, lengths: Value) -> Any:
    return tf.reverse_sequence(x.tensor, lengths.tensor, node.get("time_axis"), node.get("batch_axis"))
