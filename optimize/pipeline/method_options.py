"""`candidates.options`: what the file sets of a candidate's method, checked against the method's own section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.methods import AUTO, Method, find_method, methods
from optimize.pipeline.messages import line_of, validate
from optimize.pipeline.schema import Candidates
from optimize.pipeline.wording import nearest

KEY = "candidates.options"


def check_options(candidates: Candidates, path: Path, lines: Mapping[str, int], problems: list[str]) -> None:
    """Adds a message for each candidate that the file does not have, and for each option that its method has not.

    A search starts from the options of every method it tries.
    """
    quantization = (*candidates.quantization, *(methods() if AUTO in candidates.quantization else ()))
    names = {f"{f}-{q}": (q, f) for f in candidates.formats for q in quantization}
    for name, options in candidates.options.items():
        key = f"{KEY}.{name}"
        where = f"{path}{line_of(key, lines)}: {key}"
        if name not in names:
            problems.append(f"{where}: the file has no such candidate{nearest(name, names)}; it has {', '.join(names)}")
        elif (method := find_method(*names[name])) is None:
            problems.append(f"{where}: no method makes this candidate that could be set; take it out")
        else:
            validate(method.options, options, key, path, lines, problems)


def method_options(candidates: Candidates, name: str, method: Method) -> dict[str, Any]:
    """All of them: the file's, and the method's defaults for the rest. JSON, for the step."""
    return method.options.model_validate(candidates.options.get(name, {})).model_dump(mode="json")
