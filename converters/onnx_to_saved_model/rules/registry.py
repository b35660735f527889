"""The table of rules: one ONNX operator, one way to say it in TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optimize.converters.aten_graph_to_saved_model.values import Value, align

RuleFunction = Callable[..., Any]
"""`function(node, *inputs)`: `Value`s in the order of the operator's inputs, None for one that is left out.

It returns a tensor or a `Value`, or a list of these in the order of the operator's outputs. Older and newer versions of
an operator share a rule: what they differ in, it asks the node for.
"""

RULES: dict[str, RuleFunction] = {}


def rule(*operators: str) -> Callable[[RuleFunction], RuleFunction]:
    def register(function: RuleFunction) -> RuleFunction:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"{operator} has two rules")
            RULES[operator] = function
        return function

    return register


def elementwise(function: Callable[..., Any], *operands: Any) -> Value:
    """`function` of the operands, broadcast, in the order of axes that moves the least data."""
    tensors, order = align(*operands)
    return Value(function(*tensors), order)


def check_kernels(dtype: str) -> None:
    """Raises ValueError for the kinds of number below eight bits, and of eight-bit fractions."""
    if dtype.startswith("float8") or not dtype.rstrip("_fnuze").endswith(("8", "16", "32", "64", "bool", "string")):
        raise ValueError(f"TensorFlow has no kernels for {dtype} on a CPU")


def register_elementwise(functions: Mapping[str, Callable[..., Any]], family: str) -> None:
    """Operators of any number of operands; `family` is the module that these belong to."""
    for operator, function in functions.items():
        _register(operator, function, family)


def _register(operator: str, function: Callable[..., Any], family: str) -> None:
    def apply(node: Any, *operands: Value) -> Value:
        return elementwise(function, *operands)

    apply.__module__ = family
    rule(operator)(apply)
