"""The published JSON Schemas, generated from the types."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from optimize.pipeline.schema import Pipeline
from optimize.reports.model import Report
from optimize.sources.base import sources

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def report_schema() -> dict[str, Any]:
    return {"$schema": DIALECT, "title": "optimize report.json", **Report.model_json_schema(mode="serialization")}


def pipeline_schema() -> dict[str, Any]:
    """Of the file as it is written: `source` is one of the kinds; data, `report` and `target` may be a path or a name
    alone."""
    schema = Pipeline.model_json_schema()
    options = [source.Options for source in sources().values()]
    kinds = [TypeAdapter(option).json_schema(ref_template="#/$defs/{model}") for option in options]
    for option, kind in zip(options, kinds, strict=True):
        schema["$defs"] |= kind.pop("$defs", {})
        schema["$defs"][f"{option.model_fields['kind'].default}_source"] = kind
    names = [f"{option.model_fields['kind'].default}_source" for option in options]
    schema["properties"]["source"] = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    for name in ("calibration", "evaluation"):
        schema["$defs"]["Data"]["properties"][name]["anyOf"].append({"type": "string"})
    for name, default in (("report", "build"), ("target", "local")):
        schema["properties"][name] = {"anyOf": [schema["properties"][name], {"type": "string"}], "default": default}
    schema["$defs"]["Benchmark"]["properties"]["throughput"]["anyOf"].append({"type": "boolean"})
    schema["$defs"]["Gates"]["properties"]["regression"]["anyOf"].append({"type": "string", "pattern": "%$"})
    schema["$defs"].pop("SourceOptions", None)
    return {"$schema": DIALECT, "title": "optimize pipeline file", **schema}
