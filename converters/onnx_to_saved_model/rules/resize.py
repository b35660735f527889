"""Resampling. Each axis on its own: by indices where the nearest element is taken, else by a matrix of shares.

The formulas are those of https://onnx.ai/onnx/operators/onnx__Resize.html.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.resize import grid_sample
from optimize.converters.aten_graph_to_saved_model.values import Value, channels_last
from optimize.converters.onnx_to_saved_model.rules.registry import rule
from optimize.converters.onnx_to_saved_model.values import known, numbers


@rule("Resize")
def resize(
    node: Any, x: Value, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Value:
    axes = [axis % x.rank for axis in node.get("axes", list(range(x.rank)))]
    if node.version < 11:
        # Its first version had no regions: the second input was the scales.
        return _resized(node, x, axes, *_from_scales(x, axes, roi), "asymmetric", [])
    region = [] if roi is None or 0 in roi.shape else known(roi, "a region")
    if sizes is not None:
        targets, ratios = _from_sizes(node, x, axes, sizes)
    else:
        targets, ratios = _from_scales(x, axes, scales)
    return _resized(node, x, axes, targets, ratios, node.get("coordinate_transformation_mode"), region)


@rule("Upsample")
def upsample(node: Any, x: Value, scales: Value | None = None) -> Value:
    axes = list(range(x.rank))
    targets = _from_scales(x, axes, scales, node.get("scales"))
    return _resized(node, x, axes, *targets, "asymmetric", [])


def _from_scales(x: Value, axes: list[int], scales: Value | None, given: Any = None) -> tuple[list[Any], list[Any]]:
    if given is None:
        if scales is None:
            raise ValueError("neither sizes nor scales")
        given = known(scales, "scales")
    return [_scaled(x.size(axis), ratio) for axis, ratio in zip(axes, given, strict=True)], list(given)


def _scaled(size: Any, ratio: float) -> Any:
    if isinstance(size, int):
        return int(size * ratio)
    if float(ratio).is_integer():
        return size * int(ratio)
    return tf.cast(tf.floor(tf.cast(size, tf.float64) * ratio), tf.int32)


def _from_sizes(node: Any, x: Value, axes: list[int], sizes: Value) -> tuple[list[Any], list[Any]]:
    targets = numbers(sizes)
    if targets is None:
        raise ValueError("as many sizes as only the running model knows cannot be said in TensorFlow")
    old = [x.size(axis) for axis in axes]
    ratios = [_ratio(new, size) for new, size in zip(targets, old, strict=True)]
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        ratio = (tf.reduce_min if policy == "not_larger" else tf.reduce_max)(tf.stack(ratios))
        return [tf.cast(tf.round(tf.cast(size, ratio.dtype) * ratio), tf.int32) for size in old], [ratio] * len(old)
    return targets, ratios


def _ratio(new: Any, old: Any) -> Any:
    if symbolic.is_known(new, old):
        return new / old
    return tf.cast(new, tf.float32) / tf.cast(old, tf.float32)


def _resized(node: Any, x: Value, axes: list[int], targets: Any, ratios: Any, mode: str, region: list[float]) -> Value:
    order = channels_last(x.rank) if x.rank > 2 else x.order
    data = x.stored(order)
    moved = [_moves(new, x.size(axis), ratio) for axis, new, ratio in zip(axes, targets, ratios, strict=True)]
    kernel = _own_kernel(node, x, axes, moved, mode, region, ratios)
    if kernel is not None:
        return Value(kernel(data, symbolic.shape([targets[axes.index(axis)] for axis in (2, 3)])), order)
    for index, (axis, new, ratio) in enumerate(zip(axes, targets, ratios, strict=True)):
        if moved[index] or mode == "tf_crop_and_resize":
            ends = (region[index], region[index + len(axes)]) if region else (0.0, 1.0)
            data = _Axis(node, symbolic.sizes(data)[order[axis]], new, ratio, mode, ends).apply(data, order[axis])
    return Value(tf.cast(data, x.dtype), order)


def _moves(new: Any, old: Any, ratio: Any) -> bool:
    if isinstance(ratio, float | int):
        return ratio != 1
    return not (symbolic.is_known(new, old) and new == old)


def _own_kernel(node: Any, x: Value, axes: list[int], moved: list[bool], mode: str, region: Any, ratios: Any) -> Any:
    """TensorFlow's bilinear kernel, for images whose scales are the sizes' own ratio."""
    inner = all(axis in (2, 3) for axis, m in zip(axes, moved, strict=True) if m) and {2, 3} <= set(axes)
    plain = not any(node.get(name, 0) for name in ("antialias", "exclude_outside")) and x.dtype == tf.float32
    exact = all(not isinstance(r, float) or r.is_integer() for r in ratios)
    if x.rank != 4 or not (inner and plain and exact) or node.get("mode") not in ("linear", "bilinear"):
        return None
    if mode not in ("half_pixel", "align_corners"):
        return None
    corners = mode == "align_corners"
    return lambda images, size: tf.raw_ops.ResizeBilinear(
        images=images, size=size, align_corners=corners, half_pixel_centers=not corners
    )


class _Axis:
    """From `old` elements to `new`."""

    def __init__(self, node: Any, old: Any, new: Any, ratio: Any, mode: str, region: tuple[float, float]) -> None:
        self.node, self.old, self.new = node, old, new
        self.ratio = tf.cast(ratio, tf.float32)
        self.centre = self._centres(mode, region)
        self.outside = mode == "tf_crop_and_resize"

    def _centres(self, mode: str, region: tuple[float, float]) -> Any:
        """Where each new element lies among the old."""
        place = tf.cast(tf.range(self.new), tf.float32)
        old, new = tf.cast(self.old, tf.float32), tf.cast(self.new, tf.float32)
        if mode == "align_corners":
            return place * (old - 1) / tf.maximum(old * self.ratio - 1, 1)
        if mode == "asymmetric":
            return place / self.ratio
        if mode == "tf_crop_and_resize":
            start, end = region
            step = (end - start) * (old - 1) / tf.maximum(new - 1, 1)
            return tf.where(new > 1, start * (old - 1) + place * step, 0.5 * (start + end) * (old - 1))
        half = (place + 0.5) / self.ratio - 0.5
        if mode == "pytorch_half_pixel":
            return tf.where(new > 1, half, tf.zeros_like(half))
        if mode == "half_pixel_symmetric":
            adjustment = new / (self.ratio * old)
            return old / 2 * (1 - adjustment) + half
        return half

    def apply(self, data: Any, axis: int) -> Any:
        if self.node.get("mode") == "nearest":
            result = tf.gather(data, self._nearest(), axis=axis)
        else:
            result = _along(data, axis, self._matrix())
        if not self.outside:
            return result
        inside = (self.centre >= 0) & (self.centre <= tf.cast(self.old - 1, tf.float32))
        kept = tf.reshape(inside, [-1 if a == axis else 1 for a in range(data.shape.rank)])
        return tf.where(kept, result, tf.cast(self.node.get("extrapolation_value", 0.0), result.dtype))

    def _nearest(self) -> Any:
        rounded = {
            "round_prefer_floor": lambda x: tf.math.ceil(x - 0.5),
            "round_prefer_ceil": lambda x: tf.floor(x + 0.5),
            "floor": tf.floor,
            "ceil": tf.math.ceil,
        }[self.node.get("nearest_mode", "floor")](self.centre)
        return tf.clip_by_value(tf.cast(rounded, tf.int32), 0, self.old - 1)

    def _matrix(self) -> Any:
        """(new, old): each new element's shares of the old."""
        cubic = self.node.get("mode") == "cubic"
        # Where it makes smaller, antialiasing widens the kernel by as much.
        scale = tf.minimum(self.ratio, 1.0) if self.node.get("antialias", 0) else tf.constant(1.0)
        reach = tf.cast(tf.math.ceil((2.0 if cubic else 1.0) / scale), tf.int32)
        taps = tf.cast(tf.floor(self.centre), tf.int32)[:, None] + tf.range(1 - reach, reach + 1)[None, :]
        distance = tf.abs(tf.cast(taps, tf.float32) - self.centre[:, None]) * scale
        shares = _cubic(distance, self.node.get("cubic_coeff_a")) if cubic else tf.maximum(1 - distance, 0)
        if self.node.get("exclude_outside", 0):
            shares = tf.where((taps >= 0) & (taps < self.old), shares, tf.zeros_like(shares))
        shares /= tf.reduce_sum(shares, 1, keepdims=True)
        places = tf.one_hot(tf.clip_by_value(taps, 0, self.old - 1), self.old)
        return tf.reduce_sum(places * shares[..., None], 1)


def _cubic(d: Any, a: float) -> Any:
    """Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711, equation 15."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return tf.where(d <= 1, near, tf.where(d < 2, far, tf.zeros_like(d)))


def _along(x: Any, axis: int, matrix: Any) -> Any:
    """x with `axis` multiplied by matrix (new, old)."""
    rank = x.shape.rank
    last = [*(a for a in range(rank) if a != axis), axis]
    kind = x.dtype if x.dtype.is_floating else tf.float32
    moved = tf.linalg.matmul(tf.cast(tf.transpose(x, last), kind), tf.cast(matrix, kind), transpose_b=True)
    return tf.transpose(moved, [last.index(a) for a in range(rank)])


@rule("GridSample")
def sample(node: Any, x: Value, grid: Value) -> Any:
    """Bilinear, with zeros or the border outside."""
    modes = {"linear": 0, "bilinear": 0, "nearest": 1, "cubic": 2, "bicubic": 2}
    outside = {"zeros": 0, "border": 1, "reflection": 2}
    if x.rank != 4:
        raise ValueError("sampling of volumes has no rule")
    mode, padding = modes[node.get("mode")], outside[node.get("padding_mode")]
    return grid_sample(node, x.tensor, grid.tensor, mode, padding, bool(node.get("align_corners")))
