"""A commented pipeline file for a model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimize.newcomers.paths import QUANTIZATIONS, Way

Comments = Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """What is known. `source` is the section in its order; `comments` stand behind its keys; paths are relative."""

    name: str
    model: str
    source: Mapping[str, Any]
    comments: Comments = field(default_factory=dict)
    calibration: str = ""
    evaluation: str = ""
    labels: str = ""
    trust: Sequence[str] = ()
    trusted: bool = False
    """Whether the user has said so."""


def draft_name(text: str) -> str:
    """Of the model's own name, what a pipeline's name may be."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:63]
    return cleaned or "model"


def draft_text(draft: Draft, paths: Sequence[Way], schema: str) -> str:
    parts = [
        f"# yaml-language-server: $schema={schema}",
        f"# Written by `optimize init {draft.model}`. Next: `optimize plan`, which runs nothing, and `optimize run`.",
        f"name: {_flow(draft.name)}\n",
        _source(draft),
        _data(draft),
        _candidates(draft, paths),
        "# Where it is to be served: an instance type such as ml.c7i.large, or local (this machine).\ntarget: local\n",
        "# Bounds the winner must meet; what is left out is not a gate.\n"
        "# gates: {accuracy_drop: 0.01, p50_ms: 5, cold_start_s: 2, size_mb: 50}\n",
        "objective: latency                 # or cold_start, size, memory",
        "bundle: {container: auto, output: build/model.tar.gz}",
        "report: {folder: build}            # of report.html, report.json, report.md",
    ]
    return "\n".join(parts) + "\n"


def _source(draft: Draft) -> str:
    lines = ["source:"]
    for key, value in draft.source.items():
        comment = f"  # {draft.comments[key]}" if key in draft.comments else ""
        if key == "inputs":
            lines.append(f"  inputs:{comment}")
            lines += [f"    {_flow(name)}: {_flow(spec)}" for name, spec in value.items()]
        else:
            lines.append(f"  {key}: {_flow(value)}{comment}")
    if draft.trust:
        lines.append(f"  # Loading this model executes {', '.join(draft.trust)}.")
        lines.append("  trust: true" if draft.trusted else "  # If you made it yourself, say so:\n  # trust: true")
    return "\n".join(lines) + "\n"


def _data(draft: Draft) -> str:
    if not draft.calibration and not draft.evaluation:
        return (
            "# Without data drift is seen on random inputs and accuracy is not measured.\n"
            "# An .npz holds one array per input:\n"
            "# data: {calibration: calibration.npz, evaluation: {file: evaluation.npz, labels: label}}\n"
        )
    lines = ["data:"]
    if draft.calibration:
        # In short, a colon would make it the name of a generator: file.py:function.
        short = ":" not in draft.calibration
        lines.append(f"  calibration: {_flow(draft.calibration if short else {'file': draft.calibration})}")
    if draft.evaluation:
        evaluation = {"file": draft.evaluation, "labels": draft.labels, "metric": "accuracy"}
        lines.append(f"  evaluation: {_flow(evaluation)}  # or metric: file.py:function")
    return "\n".join(lines) + "\n"


def _candidates(draft: Draft, paths: Sequence[Way]) -> str:
    """What some converter leads to, with what is installed, and a container serves, so that the file runs as it is;
    static quantization only where there is data to calibrate on."""
    there = [path for path in paths if path.stages]
    usable = [path for path in there if path.served and not path.missing] or there
    formats = list(dict.fromkeys(path.format for path in usable))
    methods = [q for q in QUANTIZATIONS if any(path.quantization == q for path in usable)]
    lines = ["candidates:", f"  formats: {_flow(formats)}"]
    if "static" in methods and not draft.calibration:
        methods.remove("static")
        lines.append(f"  quantization: {_flow(methods)}    # static as well, once data.calibration is there")
    else:
        lines.append(f"  quantization: {_flow(methods)}")
    return "\n".join([*lines, *_left_out(there, formats)]) + "\n"


def _left_out(there: Sequence[Way], formats: Sequence[str]) -> list[str]:
    others = [path for path in there if path.format not in formats]
    unserved = list(dict.fromkeys(path.format for path in others if not path.served))
    missing = sorted({library for path in others if path.served for library in path.missing})
    return [
        *([f"  # No container serves these yet, but they can be measured: {', '.join(unserved)}"] if unserved else []),
        *([f"  # More with {', '.join(missing)}; `optimize doctor` says what to type."] if missing else []),
    ]


PLAIN = re.compile(r"[A-Za-z0-9_./-]*[A-Za-z_/-][A-Za-z0-9_./:-]*")
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"}


def _flow(value: Any) -> str:
    """YAML on one line: plain where it reads back as the same text, else quoted as JSON, which YAML reads."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    text = str(value)
    if isinstance(value, str) and (not PLAIN.fullmatch(text) or text.lower() in WORDS or text.startswith("-")):
        return json.dumps(text)
    return json.dumps(value) if not isinstance(value, str) else text
