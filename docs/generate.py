"""Writes what in this folder is generated from the types: the two schemas, and the page on the pipeline file.

`python docs/generate.py` writes; with `--check` it writes nothing, and ends with 1 where a file is not up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from optimize.schemas import pipeline_schema, report_schema

HERE = Path(__file__).parent
HEAD = """\
# The pipeline file

Every key, from the types that read it. Unknown keys are refused with the line and the nearest valid name;
`optimize check FILE` validates a file and runs nothing. Paths are relative to the file. `-o KEY=VALUE` sets a dotted
key for one run: `optimize run -o gates.size_mb=10`.

For completion and checks in an editor, put this on the first line; `optimize init` does it, with a copy of this
release's schema beside the file:

```yaml
# yaml-language-server: $schema=.optimize/pipeline.schema.json
```

The schema is [pipeline.schema.json](pipeline.schema.json) on this site, and what `optimize schema pipeline` prints.
"""
ORDER = (
    "Data",
    "Calibration",
    "Transform",
    "Evaluation",
    "Candidates",
    "Tolerances",
    "Tolerance",
    "Gates",
    "Benchmark",
    "Limits",
    "Bundle",
)
"""Sections in the order of a file; what is not named here follows by name."""


def generated() -> dict[str, str]:
    """File name to text."""
    return {
        "pipeline.schema.json": _json(pipeline_schema()),
        "report.schema.json": _json(report_schema()),
        "pipeline-file.md": pipeline_page(pipeline_schema()),
    }


def _json(value: Mapping[str, Any]) -> str:
    """As `optimize schema` prints it."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def pipeline_page(schema: Mapping[str, Any]) -> str:
    definitions: Mapping[str, Any] = schema["$defs"]
    kinds = sorted(name for name in definitions if name.endswith("_source"))
    rest = sorted(name for name in definitions if name not in (*ORDER, *kinds) and "properties" in definitions[name])
    parts = [HEAD, "## At the top\n", _table(schema)]
    for name in kinds:
        kind = name.removesuffix("_source")
        parts += [f"## source, of kind {kind}\n", _about(definitions[name]), _table(definitions[name])]
    for name in (*(name for name in ORDER if name in definitions), *rest):
        parts += [f"## {name}\n", _about(definitions[name]), _table(definitions[name])]
    return "\n".join(parts)


def _about(section: Mapping[str, Any]) -> str:
    text = section.get("description", "")
    return f"{text}\n" if text else ""


def _table(section: Mapping[str, Any]) -> str:
    rows = [_row(name, value, name in section.get("required", ())) for name, value in section["properties"].items()]
    return "\n".join(["| key | what may stand there | default | |", "|:--|:--|:--|:--|", *rows]) + "\n"


def _row(name: str, value: Mapping[str, Any], required: bool) -> str:
    default = "*required*" if required else _default(value.get("default"))
    about = " ".join(value.get("description", "").split())
    return f"| `{name}` | {_cell(_type(value))} | {default} | {_cell(about)} |"


def _default(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value)
    return f"`{text}`" if len(text) <= 60 else "see its section"


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return _reference(value["$ref"])
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    for word in ("anyOf", "oneOf"):
        if word in value:
            return " or ".join(dict.fromkeys(_type(one) for one in value[word] if one.get("type") != "null"))
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}" if "items" in value else "list"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), Mapping):
        return f"names to {_type(value['additionalProperties'])}"
    return str(value.get("type", "anything")) + _bounds(value)


def _bounds(value: Mapping[str, Any]) -> str:
    words = {"exclusiveMinimum": "over", "minimum": "at least", "maximum": "at most", "pattern": "matching"}
    said = ", ".join(f"{word} {value[key]}" for key, word in words.items() if key in value)
    return f", {said}" if said else ""


def _reference(reference: str) -> str:
    name = reference.rpartition("/")[2]
    if name.endswith("_source"):
        kind = name.removesuffix("_source")
        return f"[{kind}](#source-of-kind-{kind})"
    return f"[{name}](#{name.lower()})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Iterable[str]) -> int:
    check = "--check" in arguments
    stale = [name for name, text in generated().items() if not _is(HERE / name, text)]
    for name in stale:
        if check:
            print(f"docs/{name} is not up to date; type: python docs/generate.py")
        else:
            (HERE / name).write_text(generated()[name], encoding="utf-8")
    return 1 if check and stale else 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
