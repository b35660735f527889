"""What a worker is asked to do, as JSON beside its result: the file alone reproduces the step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optimize.artifact import Artifact
from optimize.signature import Signature


@dataclass(frozen=True)
class ArtifactReference:
    """An `Artifact` as JSON."""

    path: str
    format: str
    quantization: str
    signature: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> Artifact:
        signature = Signature.from_json(self.signature)
        return Artifact(Path(self.path), self.format, self.quantization, signature, self.options)


@dataclass(frozen=True)
class Request:
    """One step. Paths are absolute; what a stage does not use is left empty."""

    stage: str
    module: str
    artifacts: Mapping[str, ArtifactReference] = field(default_factory=dict)
    """By candidate for `measure`; else the one that is read, under `model`."""
    golden: str = ""
    base: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Request:
        value = json.loads(path.read_text(encoding="utf-8"))
        value["artifacts"] = {name: ArtifactReference(**item) for name, item in value["artifacts"].items()}
        return cls(**value)

    @property
    def model(self) -> Artifact:
        return self.artifacts["model"].open()
