"""Which operators have a rule: as a table that is read without TensorFlow, and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.converters.onnx_to_saved_model.rules import FAMILIES, RULES

COMMAND = "python -m tests.converters.onnx_nodes"
PACKAGE = Path(__file__).resolve().parent


def table() -> str:
    """The source of `operators.py`."""
    names = "".join(f'        "{name}",\n' for name in sorted(RULES))
    return (
        '"""The operators that have a rule, for processes without TensorFlow.\n\n'
        f'Written by `{COMMAND}`.\n"""\n\n'
        "from __future__ import annotations\n\n"
        f"OPERATORS = frozenset(\n    {{\n{names}    }}\n)\n"
    )


def document(cases: Mapping[str, Any]) -> str:
    """The page `docs/onnx-operators.md`. `cases` is what ONNX's own cases of each operator came to."""
    taken_apart = [name for name, entry in cases.items() if name not in RULES and entry["passed"]]
    passed = sum(entry["passed"] for entry in cases.values())
    parts = [
        "# ONNX operators with a TensorFlow rule\n",
        f"Written by `{COMMAND}`; a test keeps it true.\n",
        f"{len(RULES)} operators. {passed} of ONNX's own cases give the expected outputs, with every size left free.",
        "Operators that the standard defines by others are taken apart into these where they have no rule; so are a",
        "model's own functions. What is then left without a rule is named, with its node.\n",
    ]
    for family in FAMILIES:
        name = family.__name__.rpartition(".")[2]
        rules = sorted(operator for operator, rule in RULES.items() if rule.__module__ == family.__name__)
        parts += [f"## {name.replace('_', ' ').capitalize()}\n", _rows(rules, cases)]
    parts += ["## Taken apart by the standard's own definition\n", _rows(taken_apart, cases)]
    return "\n".join(parts)


def _rows(operators: list[str], cases: Mapping[str, Any]) -> str:
    head = "| operator | oldest opset of ONNX's cases | cases that hold | cases that do not |\n|---|---|---|---|\n"
    return head + "".join(_row(operator, cases.get(operator)) for operator in operators)


def _row(operator: str, entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return f"| `{operator}` | | none: tested in whole models | |\n"
    return f"| `{operator}` | {min(entry['versions'])} | {entry['passed']} | {len(entry['failed']) or ''} |\n"
