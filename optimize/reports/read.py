"""Reports read back: from report.json, from the folder of a run, or from the bundle it emitted."""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from optimize.errors import UserError
from optimize.methods import precision_of
from optimize.reports.model import SCHEMA_VERSION, Report

PLACES = ("report.json", "build/report.json")
"""Where a run's folder holds its report; `build` is what a pipeline file says where it says nothing."""
MANIFEST = "bundle.json"
MOST_BYTES = 64_000_000
"""No report or manifest comes near; what does is something else under the same name."""


def read_report(path: Path) -> Report:
    """Raises UserError: nothing there, not a report, cut short, edited, or of another version."""
    if path.is_dir():
        return read_report(_in_folder(path))
    if not path.exists():
        raise UserError(f"{path}: no such file; give a report.json, the folder it lies in, or a bundle (model.tar.gz)")
    if path.name.endswith((".tar.gz", ".tgz")):
        return _from_manifest(path, _json(path, _manifest_text(path)))
    return _validated(path, _json(path, _text(path)))


def _in_folder(folder: Path) -> Path:
    found = next((folder / place for place in PLACES if (folder / place).is_file()), None)
    if found is None:
        raise UserError(f"{folder}: no {' and no '.join(PLACES)} in it; give the folder that `report:` names")
    return found


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has {path.stat().st_size / 1e6:.0f} MB, and no report has more than a few")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text; give a report.json or a bundle (model.tar.gz)") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def _manifest_text(path: Path) -> str:
    try:
        with tarfile.open(path, "r:gz") as archive:
            member = next((m for m in archive if m.name.removeprefix("./") == MANIFEST and m.size <= MOST_BYTES), None)
            file = archive.extractfile(member) if member else None
            if file is None:
                raise UserError(f"{path} has no {MANIFEST}: this tool did not make it")
            return file.read().decode("utf-8")
    except (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a whole .tar.gz: {error}") from error


def _json(path: Path, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(
            f"{path} is not whole JSON ({error}); it was cut short or edited: run again to write it anew"
        ) from None
    if not isinstance(found, dict) or "schema_version" not in found:
        raise UserError(f"{path} is not a report of this tool: it has no schema_version")
    if found["schema_version"] != SCHEMA_VERSION:
        raise UserError(
            f"{path} is of schema version {found['schema_version']}, and this release reads {SCHEMA_VERSION}; "
            f"read it with the release that wrote it ({found.get('tool_version', 'unknown')}), or run again"
        )
    return found


def _validated(path: Path, found: Mapping[str, Any]) -> Report:
    try:
        return Report.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise UserError(
            f"{path} is not as this tool writes it: {where}: {first['msg'].lower()}{more}; it was edited, or "
            f"written by another release: run again to write it anew"
        ) from None


def _from_manifest(path: Path, manifest: Mapping[str, Any]) -> Report:
    """What a bundle says of itself, as a report of its one candidate."""
    try:
        return _validated(path, _as_report(path, manifest))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: its {MANIFEST} was not written by a run of this release: {error}") from None


def _as_report(path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    said = manifest["provenance"]
    measured, pipeline = said["measurements"], said["pipeline"]
    candidate = {
        "name": manifest["candidate"], "format": manifest["format"], "quantization": manifest["quantization"],
        "precision": precision_of(manifest["quantization"], manifest["format"]), "state": "ok",
        "reason": said["chosen"]["reason"], "converter": said["converter"], "method": said["method"],
        "drift": said["drift"], "accuracy": said["accuracy"], "cold_start": measured["cold_start"],
        "latency": measured["latency"], "memory": measured["memory"], "size_bytes": measured["size_bytes"],
        "throughput": measured.get("throughput"),
        "fidelity": measured["fidelity"], "gates": [], "steps": [],
    }  # fmt: skip
    step = {
        "name": "bundle", "stage": "bundle", "needs": [], "state": "ok", "reason": "", "method": said["method"],
        "notes": [], "seconds": None, "peak_bytes": None, "cached": True, "versions": said["versions"], "log": "",
        "reproduce": "",
    }  # fmt: skip
    score = said["accuracy"]["source_score"] if said["accuracy"] else None
    return {
        "tool_version": said["tool"], "name": manifest["name"], "until": "bundle", "winner": manifest["candidate"],
        "sentence": f"{manifest['candidate']}, as the bundle {path.name} says of itself.", "exit_code": 0,
        "objective": said["chosen"]["objective"], "bundle": None, "candidates": [candidate], "steps": [step],
        "source": {
            "kind": said["source"]["kind"], "signature": manifest["signature"],
            "digest": said["source"]["golden_digest"], "samples": "unknown", "rows": 0, "score": score,
            "cold_start": None, "latency": None, "memory": None,
        },
        "target": _target(measured, pipeline), "machine": measured["machine"], "pipeline": pipeline, "warnings": [],
    }  # fmt: skip


def _target(measured: Mapping[str, Any], pipeline: Mapping[str, Any]) -> dict[str, Any]:
    from optimize.execution.targeting import resolve_target
    from optimize.pipeline.targets import TargetSection

    said = pipeline.get("target", {})
    # Bundles of the first release name it alone.
    target = resolve_target(TargetSection(**said) if isinstance(said, dict) else TargetSection(name=said))
    return {
        "name": target.name, "vcpus": target.vcpus, "memory_bytes": target.memory_bytes,
        "architecture": target.architecture, "isa": list(target.isa.names), "fidelity": measured["fidelity"],
        "threads": (measured["latency"] or {}).get("threads") or target.threads,
    }  # fmt: skip
