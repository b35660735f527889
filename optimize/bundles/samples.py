"""What a bundle is asked when it is booted, and how its answers are judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optimize.arrays import Arrays, dtype_name, load_arrays, save_arrays
from optimize.data import random_rows
from optimize.drift import DriftMeter
from optimize.errors import UserError
from optimize.execution.request import Request
from optimize.golden import Golden
from optimize.methods import SOURCE_PRECISION
from optimize.pipeline.schema import Tolerance, Tolerances
from optimize.signature import Signature
from optimize.stages import Service

INPUT, OUTPUT, ANSWER = "input.", "output.", "answer."
"""Before the names in golden.npz: an input and an output may have the same. `output.` is the source's, `answer.` the
candidate's own."""


@dataclass(frozen=True)
class Sample:
    """One request. `expected` is what the candidate answered when it was checked (`own`), else the source's answer,
    where either is known."""

    words: str
    inputs: Arrays
    expected: Arrays | None = None
    own: bool = False

    def tolerance(self, precision: str, here: bool = True) -> Tolerance:
        """How far from `expected` an answer may be; `here`: on the kind of processor that the candidate was checked on.

        However far its own answers are from the source's, a bundle gives them again: the same file run by the same
        runtime differs by the order in which another number of threads adds, and what is rounded in between may then
        fall to the neighbouring step.
        """
        accepted: Tolerance = getattr(Tolerances(), precision)
        close = self.own and here and precision != SOURCE_PRECISION
        return Tolerance(cosine=0.9999) if close else accepted


def write_samples(golden: Golden, path: Path, answers: Path | None = None) -> None:
    """The golden's largest case as one file."""
    _, inputs, outputs = golden.cases()[-1]
    named = {INPUT + name: array for name, array in inputs.items()}
    named |= {OUTPUT + name: array for name, array in outputs.items()}
    if answers:
        named |= {ANSWER + name: array for name, array in golden.cases(answers)[-1][2].items()}
    save_arrays(path, named)


def samples_of(request: Request, signature: Signature) -> list[Sample]:
    """The golden's cases and its rotation; or the file under `samples`; or rows drawn by the signature.

    `data["answers"]` is the folder with the candidate's own answers to the cases.
    """
    if request.golden:
        golden = Golden(Path(request.golden))
        answers = Path(request.data["answers"]) if "answers" in request.data else None
        cases = [Sample(*case, own=answers is not None) for case in golden.cases(answers)]
        return cases + list(_rotation(golden))
    if "samples" in request.data:
        return [read_sample(Path(request.data["samples"]), signature)]
    return drawn_samples(signature)


def drawn_samples(signature: Signature) -> list[Sample]:
    """One row and three, where the user gave no data; the fixed batch where there is one."""
    first = signature.inputs[0].shape[0] if signature.inputs[0].shape else 1
    counts = (1, 3) if isinstance(first, str) else (first,)
    return [Sample(f"{count} drawn rows", random_rows(signature, count, {}).arrays) for count in counts]


def _rotation(golden: Golden) -> Iterable[Sample]:
    stacked = load_arrays(golden.path / "rotation.npz")
    for index in range(len(next(iter(stacked.values())))):
        yield Sample(f"sample {index}", {name: array[index] for name, array in stacked.items()})


def read_sample(path: Path, signature: Signature) -> Sample:
    """Raises UserError for a file without all inputs."""
    try:
        arrays = load_arrays(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as .npz: {error}") from error
    inputs = {name: arrays.get(INPUT + name, arrays.get(name)) for name in signature.input_names}
    missing = [name for name, array in inputs.items() if array is None]
    if missing:
        raise UserError(f"{path} has no {', '.join(missing)}; it has {', '.join(arrays)}; the model takes {signature}")
    given = {name: array for name, array in inputs.items() if array is not None}
    expected = {
        whose: {name: arrays[whose + name] for name in signature.output_names if whose + name in arrays}
        for whose in (ANSWER, OUTPUT)
    }
    return Sample(path.name, given, expected[ANSWER] or expected[OUTPUT] or None, own=bool(expected[ANSWER]))


def ask_all(service: Service, samples: list[Sample], signature: Signature) -> DriftMeter:
    """Every sample in every form.

    Where the answer is not known, every form must give the one that the first form gives, all of it finite.
    """
    meter, agreement = DriftMeter(), DriftMeter()
    for sample in samples:
        for form in service.forms:
            answer = service.ask(sample.inputs, form)
            where = f"{sample.words}, asked in {form},"
            if sample.expected is not None:
                meter.add(sample.expected, answer, where)
                continue
            if form == service.forms[0]:
                first = answer
                meter.problems += [p for p in shape_problems(answer, signature, where) if p not in meter.problems]
            agreement.add(first, answer, where)
    meter.problems += agreement.problems
    return meter


def shape_problems(answer: Mapping[str, np.ndarray], signature: Signature, where: str) -> list[str]:
    """What the signature alone can tell."""
    problems = []
    for spec in signature.outputs:
        array = answer.get(spec.name)
        if array is None:
            problems.append(f"output {spec.name} at {where} is missing")
        elif dtype_name(array.dtype) != spec.dtype or array.ndim != len(spec.shape):
            problems.append(
                f"output {spec.name} at {where} is {dtype_name(array.dtype)}{list(array.shape)}; expected {spec}"
            )
        elif array.dtype.kind == "f" and np.isnan(array).any():
            problems.append(f"output {spec.name} at {where} holds NaN")
    return problems
