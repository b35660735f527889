"""A model on disk in one format at one precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimize.signature import Signature


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a stage reads.

    `path` is the folder of the files (for a source: the folder its own paths are relative to). `format` is a format's
    name, or for a source its kind. `options` holds what loading it needs beyond its files: for a source the factory,
    the weights and the trust; for other formats nothing.
    """

    path: Path
    format: str
    quantization: str
    signature: Signature
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """What a stage hands back about the files it wrote.

    `method` says in words how the artifact came to be ("torch.jit.trace, frozen"); `notes` are remarks for the report.
    """

    method: str
    notes: tuple[str, ...] = ()
