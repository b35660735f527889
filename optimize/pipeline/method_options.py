"""`candidates.options`: what the file sets of a candidate's stage, checked against the stage's own section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize import stages
from optimize.methods import AUTO, find_method, methods
from optimize.pipeline.messages import line_of, validate
from optimize.pipeline.schema import Candidates
from optimize.pipeline.wording import nearest
from optimize.sections import Section

KEY = "candidates.options"


def check_options(candidates: Candidates, path: Path, lines: Mapping[str, int], problems: list[str]) -> None:
    """Adds a message for each candidate that the file does not have, and for each option that its stage has not.

    A search starts from the options of every method it tries. A format that another candidate is made from can be set
    without being one.
    """
    quantization = (*candidates.quantization, *(methods() if AUTO in candidates.quantization else ()))
    names = {f"{f}-{q}": (q, f) for f in candidates.formats for q in quantization}
    names |= {
        f"{one.makes}-none": ("none", one.makes) for one in stages.converters().values() if converter_section(one)
    }
    for name, options in candidates.options.items():
        key = f"{KEY}.{name}"
        where = f"{path}{line_of(key, lines)}: {key}"
        if name not in names:
            problems.append(f"{where}: the file has no such candidate{nearest(name, names)}; it has {', '.join(names)}")
        elif (section := _section(*names[name])) is None:
            problems.append(f"{where}: nothing that makes this candidate could be set; take it out")
        else:
            validate(section, options, key, path, lines, problems)


def _section(quantization: str, format: str) -> type[Section] | None:
    """Of the method, or of the converters that make the format."""
    if quantization != "none":
        method = find_method(quantization, format)
        return method.options if method else None
    sections = (converter_section(c) for c in stages.converters().values() if c.makes == format)
    return next((section for section in sections if section), None)


def converter_section(converter: Any) -> type[Section] | None:
    """None where it has nothing to set."""
    return getattr(converter, "options", None)


def stage_section(candidates: Candidates, name: str, section: type[Section]) -> Section:
    """As the file has it."""
    return section.model_validate(candidates.options.get(name, {}))


def stage_options(candidates: Candidates, name: str, section: type[Section]) -> dict[str, Any]:
    """All of them: the file's, and the section's defaults for the rest. JSON, for the step."""
    return stage_section(candidates, name, section).model_dump(mode="json")
