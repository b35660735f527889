"""Reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from optimize.converters.aten_graph_to_saved_model import symbolic
from optimize.converters.aten_graph_to_saved_model.rules.registry import rule
from optimize.converters.aten_graph_to_saved_model.values import Value


def reduced(function: Callable[..., Any], x: Value, dims: Any, keepdim: bool, dtype: Any = None) -> Value:
    """`function(data, axes, keepdims)` over logical axes (None or none: all), leaving the storage order as it is."""
    dims = [dims] if isinstance(dims, int) else dims
    logical = sorted(dim % x.rank for dim in dims) if dims and x.rank else list(range(x.rank))
    data = x.stored(x.order)
    data = data if dtype is None else tf.cast(data, dtype)
    result = function(data, [x.order[dim] for dim in logical], keepdims=keepdim)
    if keepdim:
        return Value(result, x.order)
    kept = [x.order[axis] for axis in range(x.rank) if axis not in logical]
    return Value(result, tuple(sorted(kept).index(axis) for axis in kept))


def _register(name: str, function: Callable[..., Any]) -> None:
    """Sums and means, computed in the result's dtype."""

    @rule(f"aten.{name}.default", lazy=True)
    def over_all(context: Any, self: Value, dtype: Any) -> Value:
        return reduced(function, self, None, False, context.dtype)

    @rule(f"aten.{name}.dim_IntList" if name == "sum" else f"aten.{name}.dim", lazy=True)
    def over_some(context: Any, self: Value, dim: Any, keepdim: bool, dtype: Any) -> Value:
        return reduced(function, self, dim, keepdim, context.dtype)


_register("sum", tf.reduce_sum)
_register("mean", tf.reduce_mean)


@rule("aten.nansum.default", lazy=True)
def sum_of_numbers(context: Any, self: Value, dim: Any, keepdim: bool, dtype: Any) -> Value:
    def function(x: Any, axes: list[int], keepdims: bool) -> Any:
        return tf.reduce_sum(tf.where(tf.math.is_nan(x), tf.zeros_like(x), x), axes, keepdims=keepdims)

    return reduced(function, self, dim, keepdim, context.dtype)


@rule("aten.prod.default", lazy=True)
def product(context: Any, self: Value, dtype: Any) -> Value:
    return reduced(tf.reduce_prod, self, None, False, context.dtype)


@rule("aten.prod.dim_int", lazy=True)
def product_along(context: Any, self: Value, dim: int, keepdim: bool, dtype: Any) -> Value:
    return reduced(tf.reduce_prod, self, dim, keepdim, context.dtype)


@rule("aten.amax.default", lazy=True)
def amax(context: Any, self: Value, dim: Any, keepdim: bool) -> Value:
    return reduced(tf.reduce_max, self, dim, keepdim)


@rule("aten.amin.default", lazy=True)
def amin(context: Any, self: Value, dim: Any, keepdim: bool) -> Value:
    return reduced(tf.reduce_min, self, dim, keepdim)


@rule("aten.max.default", lazy=True)
def max_of_all(context: Any, self: Value) -> Value:
    return reduced(tf.reduce_max, self, None, False)


@rule("aten.min.default", lazy=True)
def min_of_all(context: Any, self: Value) -> Value:
    return reduced(tf.reduce_min, self, None, False)


@rule("aten.aminmax.default", lazy=True)
def min_and_max(context: Any, self: Value, dim: Any, keepdim: bool) -> list[Value]:
    return [reduced(tf.reduce_min, self, dim, keepdim), reduced(tf.reduce_max, self, dim, keepdim)]


@rule("aten.max.dim", lazy=True)
def max_along(context: Any, self: Value, dim: int, keepdim: bool) -> list[Value]:
    return [amax(context, self, dim, keepdim), argmax(context, self, dim, keepdim)]


@rule("aten.min.dim", lazy=True)
def min_along(context: Any, self: Value, dim: int, keepdim: bool) -> list[Value]:
    return [amin(context, self, dim, keepdim), argmin(context, self, dim, keepdim)]


@rule("aten.argmax.default", lazy=True)
def argmax(context: Any, self: Value, dim: int | None, keepdim: bool) -> Value:
    return _position(tf.argmax, self, dim, keepdim)


@rule("aten.argmin.default", lazy=True)
def argmin(context: Any, self: Value, dim: int | None, keepdim: bool) -> Value:
    return _position(tf.argmin, self, dim, keepdim)


def _position(function: Any, x: Value, dim: int | None, keepdim: bool) -> Value:
    """The first of equals, as torch does on a CPU."""
    if dim is None or x.rank == 0:
        flat = function(_comparable(tf.reshape(x.tensor, [-1])), 0, output_type=tf.int64)
        return Value(tf.reshape(flat, [1] * x.rank) if keepdim else flat)

    def along(data: Any, axes: list[int], keepdims: bool) -> Any:
        result = function(_comparable(data), axes[0], output_type=tf.int64)
        return tf.expand_dims(result, axes[0]) if keepdims else result

    return reduced(along, x, dim, keepdim)


def _comparable(x: Any) -> Any:
    return tf.cast(x, tf.int32) if x.dtype == tf.bool else x


@rule("aten.var.correction", lazy=True)
def variance(context: Any, self: Value, dim: Any, correction: Any, keepdim: bool) -> Value:
    return reduced(_variance(correction), self, dim, keepdim)


@rule("aten.std.correction", lazy=True)
def deviation(context: Any, self: Value, dim: Any, correction: Any, keepdim: bool) -> Value:
    return reduced(_deviation(correction), self, dim, keepdim)


@rule("aten.var_mean.correction", lazy=True)
def variance_and_mean(context: Any, self: Value, dim: Any, correction: Any, keepdim: bool) -> list[Value]:
    return [reduced(_variance(correction), self, dim, keepdim), reduced(tf.reduce_mean, self, dim, keepdim)]


@rule("aten.std_mean.correction", lazy=True)
def deviation_and_mean(context: Any, self: Value, dim: Any, correction: Any, keepdim: bool) -> list[Value]:
    return [reduced(_deviation(correction), self, dim, keepdim), reduced(tf.reduce_mean, self, dim, keepdim)]


def _register_spread(name: str, of: Callable[[int], Any]) -> None:
    @rule(f"aten.{name}.dim", lazy=True)
    def over_some(context: Any, self: Value, dim: Any, unbiased: bool, keepdim: bool) -> Value:
        return reduced(of(int(unbiased)), self, dim, keepdim)


def _variance(correction: Any) -> Any:
    """Σ(x - mean)² / (n - correction); torch's default correction is 1."""
    less = 1 if correction is None else correction

    def function(x: Any, axes: list[int], keepdims: bool) -> Any:
        centred = x - tf.reduce_mean(x, axes, keepdims=True)
        count = tf.cast(symbolic.product([symbolic.sizes(x)[axis] for axis in axes]), x.dtype)
        return tf.reduce_sum(tf.square(centred), axes, keepdims=keepdims) / tf.maximum(count - less, 0)

    return function


def _deviation(correction: Any) -> Any:
    function = _variance(correction)
    return lambda x, axes, keepdims: tf.sqrt(function(x, axes, keepdims))


_register_spread("var", _variance)
_register_spread("std", _deviation)


def _register_quantifier(name: str, function: Callable[..., Any]) -> None:
    @rule(f"aten.{name}.default", lazy=True)
    def over_all(context: Any, self: Value) -> Value:
        return reduced(function, self, None, False, tf.bool)

    @rule(f"aten.{name}.dim", f"aten.{name}.dims", lazy=True)
    def over_some(context: Any, self: Value, dim: Any, keepdim: bool) -> Value:
        return reduced(function, self, dim, keepdim, tf.bool)


_register_quantifier("any", tf.reduce_any)
_register_quantifier("all", tf.reduce_all)


@rule("aten.count_nonzero.default", "aten.count_nonzero.dim_IntList", lazy=True)
def count_nonzero(context: Any, self: Value, dim: Any) -> Value:
    def function(x: Any, axes: list[int], keepdims: bool) -> Any:
        return tf.reduce_sum(tf.cast(tf.cast(x, tf.bool), tf.int64), axes, keepdims=keepdims)

    return reduced(function, self, dim, False)


@rule("aten.logsumexp.default", lazy=True)
def log_sum_exp(context: Any, self: Value, dim: Any, keepdim: bool) -> Value:
    return reduced(tf.reduce_logsumexp, self, dim, keepdim, context.dtype)


@rule("aten.linalg_vector_norm.default", lazy=True)
def vector_norm(context: Any, self: Value, ord: float, dim: Any, keepdim: bool, dtype: Any) -> Value:
    return reduced(_norm(ord), self, dim, keepdim, context.dtype)


@rule("aten.norm.ScalarOpt_dim", "aten.norm.ScalarOpt_dim_dtype", lazy=True)
def norm(context: Any, self: Value, p: Any, dim: Any, keepdim: bool, dtype: Any = None) -> Value:
    return reduced(_norm(2 if p is None else p), self, dim, keepdim, context.dtype)


@rule("aten.norm.Scalar", lazy=True)
def norm_of_all(context: Any, self: Value, p: Any) -> Value:
    return reduced(_norm(p), self, None, False, context.dtype)


@rule("aten.frobenius_norm.dim", "aten.linalg_norm.default", lazy=True)
def euclidean_norm(context: Any, self: Value, dim: Any, keepdim: bool, ord: Any = None, dtype: Any = None) -> Value:
    if ord not in (None, 2, "fro") or (ord == 2 and len(dim or range(self.rank)) != 1):
        raise ValueError(f"the matrix norm of order {ord} has no rule")
    return reduced(_norm(2), self, dim, keepdim, context.dtype)


def _norm(p: float) -> Any:
    def function(x: Any, axes: list[int], keepdims: bool) -> Any:
        if p == np.inf:
            return tf.reduce_max(tf.abs(x), axes, keepdims=keepdims)
        if p == -np.inf:
            return tf.reduce_min(tf.abs(x), axes, keepdims=keepdims)
        if p == 0:
            return tf.reduce_sum(tf.cast(x != 0, x.dtype), axes, keepdims=keepdims)
        if p == 1:
            return tf.reduce_sum(tf.abs(x), axes, keepdims=keepdims)
        if p == 2:
            return tf.sqrt(tf.reduce_sum(tf.square(x), axes, keepdims=keepdims))
        return tf.pow(tf.reduce_sum(tf.pow(tf.abs(x), p), axes, keepdims=keepdims), 1 / p)

    return function


def _register_running(name: str, function: Callable[..., Any]) -> None:
    @rule(f"aten.{name}.default", lazy=True)
    def running(context: Any, self: Value, dim: int, dtype: Any = None) -> Value:
        if self.rank == 0:
            return self
        return Value(function(tf.cast(self.stored(self.order), context.dtype), self.order[dim % self.rank]), self.order)


_register_running("cumsum", tf.cumsum)
_register_running("cumprod", tf.math.cumprod)
_register_running("logcumsumexp", tf.math.cumulative_logsumexp)


@rule("aten.diff.default")
def difference(context: Any, self: Any, n: int, dim: int, prepend: Any, append: Any) -> Any:
    x = tf.concat([part for part in (prepend, self, append) if part is not None], dim)
    ahead = (slice(None),) * (dim % x.shape.rank)
    for _ in range(n):
        x = x[(*ahead, slice(1, None))] - x[(*ahead, slice(None, -1))]
    return x
