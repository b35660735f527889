"""The large weights of a TensorFlow function, kept out of its graph while LiteRT's converter has it.

The converter holds a model's weights up to seven times (TensorFlow 2.21). They cannot become inputs, as on the way to
ONNX: of a product with something that is not constant it makes an operator that is slower, and takes no bias. So each
use of a large weight gets a stand-in: a constant with `ROWS` values where the weight has thousands, which multiplies as
many columns of the other factor. What comes of it is what would come of the weight, and `file` puts that back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from optimize.converters.tensorflow_weights import add_constant, importing, inlined, large, let_gather, others, sources

ROWS = 3
POWERS = 30
"""The values of stand-ins are powers of two, up to this one and down to that which it is the inverse of: whatever the
converter multiplies them by, their ratios stay as they were."""


@dataclass(frozen=True)
class StandIn:
    """`values` have the shape of `variable` but for `axis`, which a product sums over, or a look-up selects from. Along
    it the first is 1, and the others tell the stand-ins and their other axes apart."""

    variable: Any
    values: Any
    axis: int
    sums: bool


@dataclass(frozen=True)
class Small:
    """`function` takes the inputs by position and gives a list; `kept` are the variables that it still reads."""

    function: Callable[..., list[Any]]
    kept: list[Any]
    stand_ins: list[StandIn]


@dataclass(frozen=True)
class Use:
    """The weight is input `place` of `node`, and loses nothing but `axis`."""

    node: Any
    place: int
    axis: int
    sums: bool


def shrink(concrete: Any, but: Sequence[Any] = ()) -> Small | None:
    """None where no large weight, but for those given, is read by products and look-ups alone."""
    import numpy as np

    graph = inlined(concrete)
    _read_directly(graph)
    readers = _Readers(graph)
    held = {name: one for name, one in large(concrete).items() if not any(one is other for other in but)}
    ends = {tensor.op.name for tensor in concrete.outputs}
    found = {
        name: uses
        for name, variable in held.items()
        if not ends & {name, *(node.name for node in readers.passing(name))}  # What is given as it is stays.
        and (uses := _uses(readers, name, variable))
    }
    if not found:
        return None
    random = np.random.default_rng(0)
    out = list(found)
    stand_ins = [_replace(graph, use, held[name], random) for name in out for use in found[name]]
    _take_out(graph, {*out, *(node.name for name in out for node in readers.passing(name))})
    return Small(importing(graph, concrete, out), others(concrete, out), stand_ins)


class _Readers:
    """Of each node's output, the nodes that take it and as which input."""

    def __init__(self, graph: Any) -> None:
        self.nodes = {node.name: node for node in graph.node}
        self._of = defaultdict(list)
        for node in graph.node:
            for place, name in enumerate(node.input):
                if not name.startswith("^"):
                    self._of[name.partition(":")[0]].append((node, place))

    def passing(self, name: str) -> Iterator[Any]:
        """What only passes it on, or reads it from a variable."""
        for node, _ in self._of[name]:
            if node.op in ("Identity", "ReadVariableOp"):
                yield node
                yield from self.passing(node.name)

    def of(self, name: str) -> Iterator[tuple[Any, int]]:
        """Past what only passes it on."""
        passing = list(self.passing(name))
        for one in (name, *(node.name for node in passing)):
            yield from ((node, place) for node, place in self._of[one] if node not in passing)

    def is_zero(self, name: str) -> bool:
        import tensorflow as tf

        node = self.nodes[name.partition(":")[0]]
        return node.op == "Const" and not tf.make_ndarray(node.attr["value"].tensor).any()


def _uses(readers: _Readers, name: str, variable: Any) -> list[Use]:
    """None where any is of another kind: that needs the weight itself."""
    if variable.dtype.name != "float32":
        return []
    uses = [_use(readers, node, place, len(variable.shape)) for node, place in readers.of(name)]
    return [use for use in uses if use] if all(uses) else []


def _use(readers: _Readers, node: Any, place: int, rank: int) -> Use | None:
    """The node that `place` is an input of, where it is a product's second factor or a look-up's table."""
    looks_up = node.op == "ResourceGather" or (node.op == "GatherV2" and readers.is_zero(node.input[2]))
    if looks_up and place == 0 and not node.attr["batch_dims"].i:
        return Use(node, 0, 0, False)
    turned = {"MatMul": ("transpose_a", "transpose_b"), "BatchMatMulV2": ("adj_x", "adj_y")}.get(node.op)
    if turned and place == 1 and rank == 2 and not node.attr[turned[0]].b:
        return Use(node, 1, int(node.attr[turned[1]].b), True)
    axis = _summed(node.attr["equation"].s.decode()) if node.op == "Einsum" and place == 1 else None
    return None if axis is None else Use(node, 1, axis, True)


def _summed(equation: str) -> int | None:
    """Of the second factor, the axis that alone is summed over, with the last of the first factor."""
    factors, _, result = equation.partition("->")
    first, _, second = factors.partition(",")
    summed = [label for label in second if label in first or label not in result]
    return (
        second.index(summed[0]) if len(summed) == 1 and first.endswith(summed[0]) and summed[0] not in result else None
    )


def _replace(graph: Any, use: Use, variable: Any, random: Any) -> StandIn:
    import numpy as np

    shape = [ROWS if axis == use.axis else size for axis, size in enumerate(variable.shape)]
    values = np.exp2(random.integers(-POWERS, POWERS, shape, endpoint=True)).astype(np.float32)
    np.moveaxis(values, use.axis, 0)[0] = 1
    name = add_constant(graph, f"{use.node.name}/stand_in", values)
    if use.node.op == "ResourceGather":
        let_gather(graph, use.node, name, variable.dtype)
    use.node.input[use.place] = name
    if use.sums:
        use.node.input[0] = _columns(graph, use.node)
    return StandIn(variable, values, use.axis, use.sums)


def _columns(graph: Any, product: Any) -> str:
    """The first `ROWS` of its first factor."""
    import numpy as np
    import tensorflow as tf

    node = graph.node.add(name=f"{product.name}/columns", op="StridedSlice")
    bounds = {"begin": [0, 0], "end": [0, ROWS], "strides": [1, 1]}  # The first of two is for all axes but the last.
    given = [add_constant(graph, f"{node.name}/{key}", np.array(of, np.int32)) for key, of in bounds.items()]
    node.input.extend([product.input[0], *given])
    node.attr["T"].type, node.attr["Index"].type = tf.float32.as_datatype_enum, tf.int32.as_datatype_enum
    node.attr["ellipsis_mask"].i = 1
    return str(node.name)


def _read_directly(graph: Any) -> None:
    """Variables, where what is inlined has them passed on: the converter keeps such a variable as one."""
    import tensorflow as tf

    resource = tf.resource.as_datatype_enum
    source = sources(graph)
    passing = {node.name for node in graph.node if node.op == "Identity" and node.attr["T"].type == resource}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name.partition(":")[0] in passing:
                node.input[place] = source(name)
    _take_out(graph, passing)


def _take_out(graph: Any, names: set[str]) -> None:
    kept = [node for node in graph.node if node.name not in names]
    for node in kept:
        inputs = [name for name in node.input if name.removeprefix("^") not in names]
        del node.input[:]
        node.input.extend(inputs)
        node.attr.pop("_class", None)  # Names nodes to be placed with.
    kept = [type(node).FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(kept)
