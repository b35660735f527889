"""`candidates.settings`: what the file has a runtime told, checked against what the runtime understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import PositiveInt, create_model

from optimize import stages
from optimize.pipeline.messages import line_of, validate
from optimize.pipeline.schema import Candidates
from optimize.pipeline.wording import nearest
from optimize.sections import Section

KEY = "candidates.settings"


def check_settings(candidates: Candidates, path: Path, lines: Mapping[str, int], problems: list[str]) -> None:
    """Adds a message for each format that the file does not have, and for each setting its runtime has not."""
    for name, settings in candidates.settings.items():
        key = f"{KEY}.{name}"
        if name not in candidates.formats:
            where = f"{path}{line_of(key, lines)}: {key}"
            formats = ", ".join(candidates.formats)
            problems.append(f"{where}: no format of the file{nearest(name, candidates.formats)}; it has {formats}")
        elif name in stages.runtimes():
            validate(settings_section(name), settings, key, path, lines, problems)


def settings_section(format: str) -> type[Section]:
    """The threads, and the runtime's own options."""
    options = getattr(stages.runtimes()[format], "Options", None)
    types = get_type_hints(options) if options else {}
    own: dict[str, Any] = {f.name: (types[f.name], f.default) for f in fields(options)} if options else {}
    return create_model("Settings", __base__=Section, threads=(PositiveInt, 1), **own)
