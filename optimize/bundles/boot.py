"""The step `boot`: the bundle is unpacked into an empty folder, opened as its container would, and asked the golden."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays, load_arrays
from optimize.bundles.archive import unpack_archive
from optimize.bundles.manifest import read_manifest, wrong_files
from optimize.drift import DriftMeter
from optimize.errors import UserError
from optimize.execution.request import Request
from optimize.golden import Golden
from optimize.signature import Signature
from optimize.stages import Service, bundles


def boot(request: Request, output: Path) -> dict[str, Any]:
    """Asks `data["bundle"]` every case of the golden, and its rotation, in every form the bundle reads."""
    with tempfile.TemporaryDirectory(prefix="optimize-boot-") as temporary:
        folder = Path(temporary)
        unpack_archive(Path(request.data["bundle"]), folder)
        manifest = read_manifest(folder)
        wrong = wrong_files(folder, manifest)
        if wrong:
            raise UserError(f"the bundle is not as its manifest says: {'; '.join(wrong[:5])}")
        signature = Signature.from_json(manifest.signature)
        service = bundles()[manifest.container].open_folder(folder, signature)
        golden = Golden(Path(request.golden))
        meter = ask_cases(service, golden)
        problems = meter.problems + ask_rotation(service, golden, signature)
    return {"how": service.how, "forms": list(service.forms), "drift": meter.figures(), "problems": problems}


def ask_cases(service: Service, golden: Golden) -> DriftMeter:
    meter = DriftMeter()
    for words, inputs, expected in golden.cases():
        for form in service.forms:
            meter.add(expected, service.ask(inputs, form), f"{words}, asked in {form},")
    return meter


def ask_rotation(service: Service, golden: Golden, signature: Signature) -> list[str]:
    """The samples latency is measured on have no golden outputs: every form must give the answer the first one does."""
    problems: list[str] = []
    stacked = load_arrays(golden.path / "rotation.npz")
    for index in range(len(next(iter(stacked.values())))):
        inputs = {name: array[index] for name, array in stacked.items()}
        meter = DriftMeter()
        first = service.ask(inputs, service.forms[0])
        _note(problems, [name for name in signature.output_names if name not in first], index)
        for form in service.forms:
            meter.add(first, service.ask(inputs, form), f"sample {index}, asked in {form},")
        problems += [problem for problem in meter.problems if problem not in problems]
    return problems


def _note(problems: list[str], missing: list[str], index: int) -> None:
    problems += [f"output {name} is missing at sample {index}" for name in missing]


def first_sample(golden: Golden) -> Arrays:
    """The first call of the rotation."""
    return {name: array[0] for name, array in load_arrays(golden.path / "rotation.npz").items()}
