"""One-hot encoding of floats, which ONNX's own operator does not know.

skl2onnx 1.20 casts them to whole numbers: it refuses a category of 0.5, and takes an unknown 1.5 for the category 1.
"""

from __future__ import annotations

from typing import Any


def register() -> None:
    """Let skl2onnx take this converter for scikit-learn's OneHotEncoder."""
    from skl2onnx import update_registered_converter
    from skl2onnx.shape_calculators.one_hot_encoder import calculate_sklearn_one_hot_encoder_output_shapes
    from sklearn.preprocessing import OneHotEncoder

    shapes = calculate_sklearn_one_hot_encoder_output_shapes
    update_registered_converter(OneHotEncoder, "SklearnOneHotEncoder", shapes, _convert)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Each float equals a category or none, compared in double as scikit-learn does; what is no float, and categories
    that are gathered for being rare, are left to skl2onnx."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, guess_proto_type
    from skl2onnx.operator_converters.one_hot_encoder import convert_sklearn_one_hot_encoder

    encoder = operator.raw_operator
    floats = all(isinstance(value.type, FloatTensorType | DoubleTensorType) for value in operator.inputs)
    if not floats or encoder._infrequent_enabled:
        convert_sklearn_one_hot_encoder(scope, operator, container)
        return
    graph = _Graph(scope, container)
    inputs = [graph.node("Cast", value.full_name, to=_double()) for value in operator.inputs]
    table = graph.node("Concat", *inputs, axis=1) if len(inputs) > 1 else inputs[0]
    columns = [_column(graph, table, index, encoder) for index in range(len(encoder.categories_))]
    found = graph.node("Concat", *columns, axis=1)
    kind = guess_proto_type(operator.outputs[0].type)
    container.add_node("Cast", found, operator.outputs[0].full_name, name=graph.name("Cast"), to=kind)


def _double() -> int:
    from onnx import TensorProto

    return int(TensorProto.DOUBLE)


def _column(graph: _Graph, table: str, index: int, encoder: Any) -> str:
    """bool[rows, categories] of one column, without the category that the encoder drops."""
    import numpy as np
    from onnx import TensorProto

    categories = np.asarray(encoder.categories_[index], np.float64)
    dropped = None if encoder.drop_idx_ is None else encoder.drop_idx_[index]
    kept = np.arange(len(categories)) if dropped is None else np.delete(np.arange(len(categories)), int(dropped))
    column = graph.node("Gather", table, graph.weight(TensorProto.INT64, [1], [index]), axis=1)
    known = graph.weight(TensorProto.DOUBLE, [1, len(kept)], categories[kept])
    equal = graph.node("Equal", column, known)
    if not np.isnan(categories[kept]).any():
        return equal
    missing = graph.weight(TensorProto.BOOL, [1, len(kept)], np.isnan(categories[kept]))
    return graph.node("Or", equal, graph.node("And", graph.node("IsNaN", column), missing))


class _Graph:
    """Nodes and weights under names of their own, in the graph that skl2onnx is writing."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def name(self, operator: str) -> str:
        return str(self._scope.get_unique_operator_name(operator))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = str(self._scope.get_unique_variable_name(operator.lower()))
        self._container.add_node(operator, list(inputs), output, name=self.name(operator), **attributes)
        return output

    def weight(self, kind: int, shape: list[int], values: Any) -> str:
        name = str(self._scope.get_unique_variable_name("categories"))
        self._container.add_initializer(name, kind, shape, values)
        return name
