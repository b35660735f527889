"""`optimize doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from optimize.errors import UserError

EXTRAS = {
    "torch": "torch", "torchao": "torch", "torch-pruning": "torch", "safetensors": "torch",
    "onnx": "onnx", "onnxruntime": "onnx", "onnxscript": "onnx",
    "tensorflow-cpu": "tensorflow", "tensorflow": "tensorflow", "neural-compressor": "tensorflow",
    "openvino": "openvino", "nncf": "openvino", "ai-edge-litert": "litert",
    "transformers": "huggingface", "optimum": "huggingface", "optimum-onnx": "huggingface",
    "scikit-learn": "sklearn", "skl2onnx": "sklearn", "onnxmltools": "sklearn", "skops": "sklearn", "joblib": "sklearn",
    "xgboost-cpu": "sklearn", "xgboost": "sklearn", "lightgbm": "sklearn",
}  # fmt: skip
ALTERNATIVES = ({"tensorflow-cpu", "tensorflow"}, {"xgboost-cpu", "xgboost"})
"""Distributions of which one is enough."""


@click.command(name="doctor")
@click.argument("file", type=click.Path(path_type=Path), required=False)
def command(file: Path | None) -> int:
    """Say which libraries are there. With FILE: what its plan needs, and exit code 2 where something is missing."""
    from optimize.versions import library_version

    needed = _needed(file) if file else dict.fromkeys(EXTRAS, "")
    missing = []
    for name, what in needed.items():
        version = library_version(name)
        if version is None and _has_alternative(name):
            continue
        click.echo(f"  {name:<20} {version or 'missing':<14} {what}")
        if version is None:
            missing.append(name)
    _print_bundles()
    if file and missing:
        extras = ",".join(sorted({EXTRAS.get(name, name) for name in missing}))
        raise UserError(f"{file} needs {', '.join(missing)}; type: pip install 'optimize-pipeline[{extras}]'")
    return 0


def _has_alternative(name: str) -> bool:
    from optimize.versions import library_version

    return any(name in group and any(library_version(other) for other in group) for group in ALTERNATIVES)


def _needed(file: Path) -> dict[str, str]:
    """Distribution to the steps of the plan that use it, those of a search among them."""
    from optimize.execution.run import prepare

    needed: dict[str, list[str]] = {}
    plan = prepare(file).plan
    tried = [route.step for candidate in plan.candidates for route in candidate.routes]
    for step in [*plan.steps.values(), *tried]:
        for library in step.libraries:
            needed.setdefault(library, []).append(step.name)
    return {name: f"for {', '.join(steps[:3])}{', …' if len(steps) > 3 else ''}" for name, steps in needed.items()}


def _print_bundles() -> None:
    from optimize.stages import stages

    for group in ("sources", "converters", "quantizers", "runtimes", "bundles"):
        click.echo(f"{group}: {', '.join(stages(group))}")
