"""Ensembles of decision trees: all trees of all rows go down one level at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model.values import Value
from optimize.converters.onnx_to_saved_model.rules.machine_learning import classified, labels_of, transformed
from optimize.converters.onnx_to_saved_model.rules.registry import rule

_MODES = {"BRANCH_LEQ": 0, "BRANCH_LT": 1, "BRANCH_GTE": 2, "BRANCH_GT": 3, "BRANCH_EQ": 4, "BRANCH_NEQ": 5}


@dataclass(frozen=True)
class Forest:
    """Nodes of all trees in one list; a leaf's branches are itself, so that it stays where it is."""

    features: Array
    values: Array
    modes: Array
    missing: Array
    """Whether a missing value goes to the branch of those for which the comparison holds."""
    if_true: Array
    if_false: Array
    roots: Array
    weights: Array
    """(nodes, targets), zero but at leaves."""

    @property
    def depth(self) -> int:
        level, depth = set(self.roots.tolist()), 0
        while level:
            below = {int(b) for i in level for b in (self.if_true[i], self.if_false[i]) if b != i}
            level, depth = below, depth + 1
        return depth - 1


def _numbers(node: Any, name: str, kind: Any = np.int64) -> Array:
    """Given as a list, as a tensor, or as a tensor under a name of its own."""
    given = node.get(f"{name}_as_tensor", node.get(name, []))
    if isinstance(given, onnx.TensorProto):
        array: Array = numpy_helper.to_array(given)
        return array
    return np.array(given, kind)


def _older_forest(node: Any, prefix: str, targets: int) -> Forest:
    """Of TreeEnsembleClassifier and TreeEnsembleRegressor, whose nodes are named by tree and number."""
    trees, numbers = _numbers(node, "nodes_treeids"), _numbers(node, "nodes_nodeids")
    place = {pair: index for index, pair in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    leaf = np.array([mode == "LEAF" for mode in node.get("nodes_modes")])
    own = np.arange(len(trees))

    def branch(side: str) -> Array:
        pairs = zip(trees.tolist(), _numbers(node, f"nodes_{side}nodeids").tolist(), strict=True)
        return np.array([i if leaf[i] else place[pair] for i, pair in enumerate(pairs)])

    weights = np.zeros((len(trees), targets), np.float32)
    ids = [_numbers(node, f"{prefix}_{name}").tolist() for name in ("treeids", "nodeids", "ids")]
    for tree, number, target, weight in zip(*ids, _numbers(node, f"{prefix}_weights", np.float32), strict=True):
        weights[place[tree, number], target] += weight
    missing = _numbers(node, "nodes_missing_value_tracks_true")
    return Forest(
        features=np.where(leaf, 0, _numbers(node, "nodes_featureids")),
        values=_numbers(node, "nodes_values", np.float32),
        modes=np.array([_MODES.get(mode, 0) for mode in node.get("nodes_modes")]),
        missing=missing.astype(bool) if missing.size else np.zeros(len(trees), bool),
        if_true=branch("true"),
        if_false=branch("false"),
        roots=_first_of_each(trees, own),
        weights=weights,
    )


def _first_of_each(trees: Array, own: Array) -> Array:
    """A tree's root is the first of its nodes."""
    _, first = np.unique(trees, return_index=True)
    return own[np.sort(first)]


def _leaf_weights(node: Any, forest: Forest, x: Any) -> Any:
    """(rows, trees, targets)."""
    wide = tf.cast(x, tf.float32)
    features, values, modes, missing, if_true, if_false = (
        tf.constant(part) for part in (
            forest.features.astype(np.int32), forest.values.astype(np.float32), forest.modes.astype(np.int32),
            forest.missing, forest.if_true.astype(np.int32), forest.if_false.astype(np.int32),
        )
    )  # fmt: skip
    kinds = sorted(set(forest.modes.tolist()))

    def down(level: Any, at: Any) -> tuple[Any, Any]:
        value = tf.gather(wide, tf.gather(features, at), axis=1, batch_dims=1)
        holds = _holds(value, tf.gather(values, at), tf.gather(modes, at), kinds)
        holds = tf.where(tf.math.is_nan(value), tf.gather(missing, at), holds)
        return level + 1, tf.where(holds, tf.gather(if_true, at), tf.gather(if_false, at))

    roots = tf.broadcast_to(forest.roots.astype(np.int32), [tf.shape(wide)[0], len(forest.roots)])
    start = (tf.constant(0), roots)
    free = (tf.TensorShape([]), tf.TensorShape([None, len(forest.roots)]))
    _, at = tf.while_loop(lambda level, _: level < forest.depth, down, start, shape_invariants=free)
    return tf.gather(node.weight("weights", forest.weights), at)


def _holds(value: Any, bound: Any, mode: Any, kinds: list[int]) -> Any:
    comparisons = [tf.less_equal, tf.less, tf.greater_equal, tf.greater, tf.equal, tf.not_equal]
    result = comparisons[kinds[0]](value, bound)
    for kind in kinds[1:]:
        result = tf.where(mode == kind, comparisons[kind](value, bound), result)
    return result


_AGGREGATES = {"SUM": tf.reduce_sum, "AVERAGE": tf.reduce_mean, "MIN": tf.reduce_min, "MAX": tf.reduce_max}


@rule("ai.onnx.ml.TreeEnsembleRegressor")
def regressor(node: Any, x: Value) -> Any:
    forest = _older_forest(node, "target", node.get("n_targets"))
    y = _AGGREGATES[node.get("aggregate_function")](_leaf_weights(node, forest, x.tensor), 1)
    base = node.get("base_values")
    return transformed(node, y if not base else y + tf.constant(base, tf.float32))


@rule("ai.onnx.ml.TreeEnsembleClassifier")
def classifier(node: Any, x: Value) -> list[Any]:
    labels = labels_of(node)
    used = sorted(set(node.get("class_ids")))
    forest = _older_forest(node, "class", len(labels))
    y = tf.reduce_sum(_leaf_weights(node, forest, x.tensor), 1)
    base = node.get("base_values")
    if len(labels) == 2 and len(used) == 1:
        score = y[:, used[0] : used[0] + 1]
        return classified(node, score if not base else score + base[-1], labels, _has_negative(forest))
    return classified(node, y if not base else y + tf.constant(base, tf.float32), labels, binary_from_scores=False)


def _has_negative(forest: Forest) -> bool:
    """ONNX Runtime takes weights of which one is negative for scores, else for probabilities."""
    return bool((forest.weights < 0).any())


@rule("ai.onnx.ml.TreeEnsemble")
def ensemble(node: Any, x: Value) -> Any:
    """Version 5: inner nodes and leaves in lists of their own."""
    forest = _newer_forest(node)
    aggregate = ("AVERAGE", "SUM", "MIN", "MAX")[node.get("aggregate_function")]
    y = _AGGREGATES[aggregate](_leaf_weights(node, forest, x.tensor), 1)
    if node.get("post_transform"):
        raise ValueError("TreeEnsemble's own post_transform has no rule")
    return tf.cast(y, x.dtype)


def _newer_forest(node: Any) -> Forest:
    inner = len(_numbers(node, "nodes_featureids"))
    modes = _numbers(node, "nodes_modes")
    if (modes > 5).any():
        raise ValueError("branches by membership of a set have no rule")
    targets, weights = _numbers(node, "leaf_targetids"), _numbers(node, "leaf_weights")
    leaves = np.zeros((len(targets), node.get("n_targets")), np.float32)
    leaves[np.arange(len(targets)), targets] = weights
    own = inner + np.arange(len(targets))
    none = np.zeros(len(targets), np.int64)
    missing = _numbers(node, "nodes_missing_value_tracks_true")

    def branch(side: str) -> Array:
        place = _numbers(node, f"nodes_{side}nodeids") + inner * _numbers(node, f"nodes_{side}leafs")
        return np.concatenate([place, own])

    return Forest(
        features=np.concatenate([_numbers(node, "nodes_featureids"), none]),
        values=np.concatenate([_numbers(node, "nodes_splits"), none]).astype(np.float32),
        # The standard numbers the comparisons in the order above.
        modes=np.concatenate([modes, none]).astype(np.int64),
        missing=np.concatenate([missing if missing.size else np.zeros(inner, np.int64), none]).astype(bool),
        if_true=branch("true"),
        if_false=branch("false"),
        roots=_numbers(node, "tree_roots"),
        weights=np.concatenate([np.zeros((inner, leaves.shape[1]), np.float32), leaves]),
    )
