"""A bundle is held against what its candidate answered when it was checked, and not against the source once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from optimize.arrays import Arrays, load_arrays
from optimize.cli import run_command
from optimize.execution.request import ArtifactReference, Request
from optimize.golden import Golden, write_answers
from tests.bundles.cases import boot_request, emit_request
from tests.bundles.conftest import Carry
from tests.bundles.make_model import WEIGHTS

SHARE = 0.3
"""Of the weights' own size: the candidate's cosine with the source is under what int8 candidates need by default."""
Answered = tuple[Path, Path]
"""A bundle, and the folder with its candidate's answers to the cases."""


def perturbed(share: float) -> np.ndarray[Any, Any]:
    noise = np.random.default_rng(0).standard_normal(WEIGHTS.shape)
    return (WEIGHTS + share * np.abs(WEIGHTS).mean() * noise).astype(np.float32)


@pytest.fixture(scope="module")
def answered(
    model: Callable[[str, str], ArtifactReference],
    golden: Callable[[str], Path],
    carry_out: Carry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Answered:
    """Of a candidate that drifts as far as its pipeline file let it."""
    folder, whole = tmp_path_factory.mktemp("drifting"), model("onnx", "single")
    drifting = onnx.load(Path(whole.path) / "model.onnx")
    drifting.graph.initializer[0].CopyFrom(numpy_helper.from_array(perturbed(SHARE), "w"))
    onnx.save(drifting, folder / "model.onnx")
    reference = ArtifactReference(str(folder), "onnx", "dynamic", whole.signature)
    answers = write_all(golden("single"), tmp_path_factory.mktemp("answers"), perturbed(SHARE))
    asked = with_answers(emit_request(reference, golden("single"), "multi-model-server"), answers)
    _, files = carry_out(asked)
    return files / "model.tar.gz", answers


def with_answers(request: Request, answers: Path) -> Request:
    return replace(request, data={**request.data, "answers": str(answers)})


def write_all(golden: Path, folder: Path, weights: np.ndarray[Any, Any]) -> Path:
    for index, (_, inputs, _) in enumerate(Golden(golden).cases()):
        write_answers(folder, index, linear(inputs, weights))
    return folder


def linear(inputs: Arrays, weights: np.ndarray[Any, Any]) -> Arrays:
    return {"logits": inputs["image"].reshape(-1, 6) @ weights}


def problems(carry_out: Carry, request: Request) -> list[str]:
    result, _ = carry_out(request)
    assert result["state"] == "ok", result
    return list(result["payload"]["problems"])


def test_a_candidate_that_drifts_as_it_was_let_boots_with_its_own_answers(
    answered: Answered, golden: Callable[[str], Path], carry_out: Carry
) -> None:
    bundle, answers = answered
    against_the_source = boot_request(bundle, golden("single"), toolkit="none")
    assert "logits: cosine" in problems(carry_out, against_the_source)[0]
    assert problems(carry_out, with_answers(against_the_source, answers)) == []


def test_a_bundle_of_a_slightly_different_model_is_caught(
    answered: Answered, golden: Callable[[str], Path], carry_out: Carry, tmp_path: Path
) -> None:
    other = write_all(golden("single"), tmp_path, perturbed(SHARE * 0.9))
    asked = with_answers(boot_request(answered[0], golden("single"), toolkit="none"), other)
    (problem,) = problems(carry_out, asked)
    assert problem.startswith("logits: cosine 0.99") and problem.endswith("is under 0.9999")


def test_golden_npz_tells_both_whoever_boots_it_later(
    answered: Answered, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle, _ = answered
    samples = bundle.with_name("golden.npz")
    assert list(load_arrays(samples)) == ["input.image", "output.logits", "answer.logits"]
    assert run_command(["boot", str(bundle), "--samples", str(samples), "--no-server"]) == 0
    assert "every answer was right" in capsys.readouterr().out
    without = {name: array for name, array in load_arrays(samples).items() if not name.startswith("answer.")}
    np.savez(tmp_path / "source.npz", **without)  # type: ignore[arg-type]
    assert run_command(["boot", str(bundle), "--samples", str(tmp_path / "source.npz"), "--no-server"]) == 1
    assert "wrong: logits: cosine" in capsys.readouterr().out
