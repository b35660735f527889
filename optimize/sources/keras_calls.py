"""A loaded Keras model as a function of the signature's inputs, the same under both backends."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources.inferred import has_shape_of, infer_input, lie, told


def find_inputs(model: Any, declared: Signature) -> tuple[TensorSpec, ...]:
    """The inputs, named and ordered as declared where they are; else the model's own.

    Raises UserError where the model declares none either, or where the two cannot both be right.
    """
    symbolic = getattr(model, "inputs", None)
    if not symbolic:
        if declared.inputs:
            return declared.inputs
        raise UserError(
            f"{model.name} is a subclass of keras.Model, which does not say what it takes; write for example inputs: "
            f"{{x: {{dtype: float32, shape: [batch, 4]}}}}",
            "source.inputs",
        )
    own = tuple(infer_input(tensor.name, tensor.dtype, tensor.shape, "source.file") for tensor in symbolic)
    if not declared.inputs:
        return own
    if len(own) != len(declared.inputs):
        raise UserError(f"the model takes {told(own)}, and the file names {len(declared.inputs)}", "source.inputs")
    given = {spec.name: spec for spec in declared.inputs}
    by_name = given.keys() == {spec.name for spec in own}
    ordered = tuple(given[spec.name] for spec in own) if by_name else declared.inputs
    for one, other in zip(ordered, own, strict=True):
        # Keras itself would cast and reshape without a word.
        if not has_shape_of(one, other) or not np.can_cast(one.dtype, other.dtype, "same_kind"):
            raise lie(one, other)
    return ordered


class KerasCall:
    """Calls a model in inference mode with tensors in the order of the signature."""

    def __init__(self, model: Any, inputs: Sequence[TensorSpec]) -> None:
        self.model = model
        self._names = [spec.name for spec in inputs]
        self._by_keyword = not getattr(model, "inputs", None) and self._binds()

    def __call__(self, tensors: Sequence[Any]) -> Any:
        if self._by_keyword:
            return self.model(**dict(zip(self._names, tensors, strict=True)), training=False)
        return self.model(self._structure(list(tensors)), training=False)

    def _structure(self, tensors: list[Any]) -> Any:
        """As the model was built: one tensor, a list, a dict, nested. A subclass is given one tensor, or a list."""
        import keras

        if getattr(self.model, "inputs", None) and not isinstance(self.model, keras.Sequential):
            return keras.tree.pack_sequence_as(self.model.input, tensors)
        return tensors[0] if len(tensors) == 1 else tensors

    def _binds(self) -> bool:
        try:
            inspect.signature(self.model.call).bind(**dict.fromkeys(self._names))
        except TypeError:
            return False
        return True
