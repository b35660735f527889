"""The store's key of a step: everything its result depends on, by content, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.digests import digest_files, digest_value
from optimize.own_code import code_digest, stage_digest
from optimize.plan import Stage, Step
from optimize.versions import library_versions, tool_version

SPINE = {
    Stage.GOLDEN: ("optimize.golden", "optimize.calibration", "optimize.execution.steps", "optimize.accuracy"),
    Stage.CONVERT: ("optimize.execution.steps", "optimize.sources"),
    Stage.QUANTIZE: ("optimize.calibration", "optimize.data", "optimize.execution.steps", "optimize.sources"),
    Stage.CHECK: (
        "optimize.drift",
        "optimize.accuracy",
        "optimize.golden",
        "optimize.execution.steps",
        "optimize.execution.target_check",
    ),
    Stage.MEASURE: ("optimize.benchmarks",),
    Stage.BUNDLE: ("optimize.bundles",),
}  # fmt: skip
"""The tool's own code that a stage's result depends on, besides the stage's module and what that imports."""


def step_key(
    step: Step, *, inputs: Mapping[str, str], files: Mapping[str, tuple[Path, ...]], parameters: Mapping[str, Any]
) -> str:
    """`inputs` are digests of results by role; `files` are the user's files by role."""
    return digest_value(
        {
            "stage": step.stage,
            "makes": step.makes,
            "code": [stage_digest(step.module), *map(code_digest, SPINE[step.stage])],
            "tool": tool_version(),
            "libraries": library_versions(("numpy", *step.libraries)),
            "inputs": dict(inputs),
            "files": {role: digest_files(paths) for role, paths in files.items()},
            "parameters": dict(parameters),
        }
    )
