"""The body of each stage, as it runs inside a worker: request in, payload out, files into `output`.

The payload is what later steps and the report read; it holds nothing that differs between two equal runs, except where
time itself is measured.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from optimize.accuracy import compare, load_metric
from optimize.arrays import Array, Arrays, load_arrays, save_arrays
from optimize.artifact import Artifact, Made
from optimize.calibration import open_calibration
from optimize.data import check_headers, random_rows, read_headers, read_rows
from optimize.drift import DriftMeter
from optimize.errors import UserError
from optimize.execution.request import Request
from optimize.further_methods import add_methods, run_methods
from optimize.golden import (
    DRAWN_FILE,
    EVALUATION_BATCH,
    GOLDEN_ROWS,
    Golden,
    case_sizes,
    check_spread,
    output_specs,
    rotation,
    take,
    whole_batches,
    write_answers,
    write_case,
)
from optimize.samples import Rows, Samples, first_rows
from optimize.signature import Signature
from optimize.stages import RuntimeSettings


def golden(request: Request, output: Path) -> dict[str, Any]:
    """Run the source on its samples, once."""
    module = importlib.import_module(request.module)
    # Threads stay as the framework has them, so that the golden is what `model(x)` gives, bit for bit.
    source = module.open(module.read(request.model), request.model, RuntimeSettings())
    declared = request.model.signature.ranges
    inputs = Signature(source.signature.inputs, ranges={**source.signature.ranges, **declared})
    rows, origin = _rows(request, inputs, lambda: _draw(source, inputs))
    if origin == DRAWN:
        save_arrays(output / "drawn.npz", rows.arrays)
    if "draw" in request.parameters:
        save_arrays(output / DRAWN_FILE, _draw(source, inputs, request.parameters["draw"]).arrays)
    example_sizes, sizes = case_sizes(inputs, rows)
    examples = take(inputs, rows, example_sizes)
    runs = []
    for index, at in enumerate(sizes):
        case = take(inputs, rows, at)
        # A model that writes into its inputs must not change the samples that candidates are given.
        outputs = source.run({name: array.copy() for name, array in case.items()})
        write_case(output, index, case, outputs)
        runs.append((at, outputs))
    words = [", ".join(f"{name}={size}" for name, size in at.items()) or "fixed sizes" for at in sizes]
    (output / "cases.json").write_text(json.dumps(words), encoding="utf-8")
    runs.append((example_sizes, source.run({name: array.copy() for name, array in examples.items()})))
    further = run_methods(source, [(at, take(inputs, rows, at)) for at in (*sizes, example_sizes)], output)
    signature = replace(inputs, outputs=output_specs(inputs, runs), methods=further)
    save_arrays(output / "examples.npz", examples)
    save_arrays(output / "rotation.npz", rotation(inputs, rows))
    evaluated = _run_all(source.run, whole_batches(inputs, rows, EVALUATION_BATCH))
    save_arrays(output / "evaluation-outputs.npz", evaluated)
    if not request.parameters["accept_constant"]:
        check_spread(evaluated)
    payload: dict[str, Any] = {"signature": signature.to_json(), "samples": origin, "rows": len(rows)}
    if "evaluation" in request.data:
        scores = _scores(request, evaluated)
        save_arrays(output / "scores.npz", {"scores": scores})
        payload["score"] = float(scores.mean())
    return payload


DRAWN = "random"


def _rows(request: Request, signature: Signature, draw: Callable[[], Samples]) -> tuple[Samples, str]:
    """The rows the golden is computed on, and where they come from."""
    if "evaluation" in request.data:
        key, path = "data.evaluation.file", Path(request.data["evaluation"])
        check_headers(read_headers(path, key), signature, path, key, request.parameters["labels"])
        return read_rows(path, signature, key), "evaluation"
    if "calibration" in request.data:
        rows = open_calibration(request.data["calibration"], signature)
        return first_rows(rows, GOLDEN_ROWS), "calibration"
    return draw(), DRAWN


def _draw(source: Any, inputs: Signature, rows: int = EVALUATION_BATCH) -> Samples:
    """By the source's own `samples` where not every number is a valid input: token ids, categories."""
    if hasattr(source, "samples"):
        drawn: Samples = source.samples(rows)
        return drawn
    return random_rows(inputs, rows, {})


def _run_all(run: Callable[[Arrays], Arrays], batches: Iterable[Arrays]) -> Arrays:
    import numpy as np

    parts = [run(batch) for batch in batches]
    return {name: np.concatenate([np.atleast_1d(part[name]) for part in parts]) for name in parts[0]}


def _scores(request: Request, outputs: Arrays) -> Array:
    wanted = request.parameters
    metric = load_metric(wanted["metric"], Path(request.base), wanted["metric_output"])
    labels = load_arrays(Path(request.data["evaluation"]))[wanted["labels"]]
    rows = len(next(iter(outputs.values())))
    return metric(outputs, labels[:rows])


def convert(request: Request, output: Path) -> dict[str, Any]:
    converter, examples = importlib.import_module(request.module), Golden(Path(request.golden)).examples()
    # Most have nothing to set, and take three arguments.
    set_by = [converter.options.model_validate(request.parameters["options"])] if hasattr(converter, "options") else []
    return _made(converter.convert(request.model, examples, output, *set_by), output)


def quantize(request: Request, output: Path) -> dict[str, Any]:
    from optimize.methods import OPTIONS, Task

    model, quantizer, wanted = request.model, importlib.import_module(request.module), request.parameters
    calibration = None
    if "calibration" in request.data:
        calibration = calibration_rows(request, model.signature)
    options = quantizer.method.options.model_validate(wanted["options"])
    examples = Golden(Path(request.golden)).examples()
    task = Task(options, calibration, examples, frozenset(wanted.get("isa", ())), wanted.get("architecture", ""))
    try:
        return _made(quantizer.quantize(model, task, output), output)
    except UserError as error:
        if error.key != OPTIONS:
            raise
        # The method does not know which candidate's options it was given.
        raise UserError(error.message, f"{OPTIONS}.{quantizer.makes}-{quantizer.method.name}") from error


def calibration_rows(request: Request, signature: Signature) -> Rows:
    wanted = dict(request.data["calibration"])
    if wanted["kind"] == "random":
        wanted |= {"kind": "file", "place": str(Path(request.golden) / DRAWN_FILE), "rows": None}
    return open_calibration(wanted, signature)


def _made(made: Made, output: Path) -> dict[str, Any]:
    if not any(output.iterdir()):
        raise RuntimeError("the stage wrote no files")
    return {"method": made.method, "notes": list(made.notes)}


def open_session(module: str, artifact: Artifact, settings: RuntimeSettings) -> Any:
    runtime = importlib.import_module(module)
    runtime.prepare(settings)
    return runtime.open(runtime.read(artifact), artifact, settings)


def check(request: Request, output: Path) -> dict[str, Any]:
    """Drift against the golden at every case's sizes, and scores on the evaluation rows.

    What the candidate answers to the cases is kept: its bundle has to answer the same.
    """
    artifact, golden_ = request.model, Golden(Path(request.golden))
    settings = RuntimeSettings.told(request.parameters["settings"], request.parameters["threads"])
    session = open_session(request.module, artifact, settings)
    meter = DriftMeter()
    for index, (words, inputs, expected) in enumerate(golden_.cases()):
        try:
            outputs = session.run(inputs)
        except Exception as error:
            raise RuntimeError(f"does not run at {words}: {type(error).__name__}: {error}") from error
        write_answers(output, index, outputs)
        meter.add(expected, outputs, words)
    add_methods(meter, session, golden_, artifact.signature)
    payload: dict[str, Any] = {}
    rows, _ = _rows(request, Signature(artifact.signature.inputs), golden_.drawn)
    outputs = _run_all(session.run, whole_batches(artifact.signature, rows, EVALUATION_BATCH))
    meter.add(golden_.evaluation_outputs(), outputs, "the evaluation rows")
    if "evaluation" in request.data and not meter.problems:
        payload["accuracy"] = compare(golden_.scores(), _scores(request, outputs)).to_json()
    return payload | {"drift": meter.figures(), "problems": meter.problems}


def measure(request: Request, output: Path) -> dict[str, Any]:
    from optimize.benchmarks.measuring import run_experiment

    return run_experiment(request, output)


def bundle(request: Request, output: Path) -> dict[str, Any]:
    from optimize.bundles.emit import emit

    return emit(request, output)


def boot(request: Request, output: Path) -> dict[str, Any]:
    from optimize.bundles.boot import boot

    return boot(request, output)


def check_on_target(request: Request, output: Path) -> dict[str, Any]:
    from optimize.execution.target_check import check_on_target

    return check_on_target(request, output)


def rank(request: Request, output: Path) -> dict[str, Any]:
    from optimize.execution.looking import rank

    return rank(request, output)


def profile(request: Request, output: Path) -> dict[str, Any]:
    from optimize.execution.looking import profile

    return profile(request, output)


STEPS: dict[str, Callable[[Request, Path], dict[str, Any]]] = {
    "golden": golden,
    "convert": convert,
    "quantize": quantize,
    "check": check,
    "check-on-target": check_on_target,
    "measure": measure,
    "bundle": bundle,
    "boot": boot,
    "rank": rank,
    "profile": profile,
}
