"""The table of rules: one ATen operator, one way to say it in TensorFlow."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RuleFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """`function(context, **arguments)` by the names of the operator's schema, its tensors as `Value` or `tf.Tensor`.

    With `lazy` it takes `Value`s and chooses the order of axes it reads them in; without, tensors in torch's own order.
    It returns a tensor, a `Value`, a number, or a list of these. What dtype torch gave, the interpreter casts to.
    """

    function: RuleFunction
    lazy: bool
    arguments: frozenset[str] | None
    """The names it takes; None where it takes any."""


RULES: dict[str, Rule] = {}


def rule(*operators: str, lazy: bool = False) -> Callable[[RuleFunction], RuleFunction]:
    def register(function: RuleFunction) -> RuleFunction:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"{operator} has two rules")
            RULES[operator] = Rule(function, lazy, _arguments(function))
        return function

    return register


def _arguments(function: RuleFunction) -> frozenset[str] | None:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)
