"""What pydantic found wrong, in the words of the file: what was expected there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

EXPECTED = {
    "tuple_type": "expected a list: [one, two]",
    "list_type": "expected a list: [one, two]",
    "model_type": "expected a section of keys",
    "model_attributes_type": "expected a section of keys",
    "dict_type": "expected a section of keys",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected text; put it in quotes",
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected at least {ge:g}",
    "less_than": "expected less than {lt:g}",
    "less_than_equal": "expected at most {le:g}",
    "too_short": "expected at least {min_length} here",
    "literal_error": "expected {expected}",
    "string_pattern_mismatch": "expected text that matches {pattern}",
    "string_too_long": "expected at most {max_length} characters",
}
"""By pydantic's type of error; it formats the error's own context. What is not here keeps pydantic's words."""


def in_words(item: Mapping[str, Any]) -> str:
    """One error of `ValidationError.errors()`: what was expected, then what was given."""
    if item["type"] == "value_error":
        return str(item["msg"]).removeprefix("Value error, ")
    message = str(item["msg"])
    expected = EXPECTED.get(item["type"])
    words = expected.format(**item.get("ctx", {})) if expected else f"{message[0].lower()}{message[1:]}"
    return f"{words}{_near_choice(item)}; given: {shown(item['input'])}"


def _near_choice(item: Mapping[str, Any]) -> str:
    if item["type"] != "literal_error":
        return ""
    return nearest(str(item["input"]), str(item["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", "))


def shown(value: object, most: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def nearest(name: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""
