"""Further methods of a model, which a SavedModel serves as signatures of their own beside the model's main one.

Each takes some of the source's inputs, by name. The golden runs them on the inputs of its cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays, load_arrays, save_arrays
from optimize.drift import DriftMeter
from optimize.golden import Golden, Sizes, output_specs
from optimize.signature import Signature

FOLDER = "methods"


def run_methods(source: Any, runs: Sequence[tuple[Sizes, Arrays]], output: Path) -> Mapping[str, Signature]:
    """The signature of each method that the source has been asked for; `runs` are the inputs of the golden's cases, and
    then the examples."""
    found = {}
    for name, inputs in getattr(source, "methods", {}).items():
        taken = [(at, {spec.name: case[spec.name] for spec in inputs}) for at, case in runs]
        made = [(at, source.run_method(name, case)) for at, case in taken]
        found[name] = Signature(inputs, output_specs(Signature(inputs), made), source.signature.ranges)
        (output / FOLDER / name).mkdir(parents=True)
        for index, (_, outputs) in enumerate(made[:-1]):
            save_arrays(output / FOLDER / name / f"case-{index}.npz", outputs)
    return found


def add_methods(meter: DriftMeter, session: Any, golden: Golden, signature: Signature) -> None:
    """What a session answers under the further signatures; one without any has the model's main method alone."""
    if not hasattr(session, "run_method"):
        return
    for name, method in signature.methods.items():
        if name not in session.methods:
            meter.problems.append(f"it has no signature {name}")
            continue
        for index, (words, inputs, _) in enumerate(golden.cases()):
            expected = load_arrays(golden.path / FOLDER / name / f"case-{index}.npz")
            answers = session.run_method(name, {spec.name: inputs[spec.name] for spec in method.inputs})
            meter.add(_named(name, expected), _named(name, answers), words)


def _named(method: str, outputs: Arrays) -> Arrays:
    return {f"{method}.{name}": array for name, array in outputs.items()}
