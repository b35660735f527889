"""The example from its pipeline file to its bundle: one real run, and what it left."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import optimize
from optimize.schemas import report_schema
from tests.digits import Digits, copy_example

pytestmark = pytest.mark.slow
FORMATS = ("torchscript", "onnx", "saved_model")
QUANTIZATION = ("none", "dynamic", "static")


def test_all_nine_candidates_are_right(digits: Digits) -> None:
    states = {c["name"]: (c["state"], c["reason"]) for c in digits.report["candidates"]}
    assert set(states) == {f"{f}-{q}" for f in FORMATS for q in QUANTIZATION}
    assert {state for state, _ in states.values()} == {"ok"}, states


def test_every_candidate_has_all_figures(digits: Digits) -> None:
    for candidate in digits.report["candidates"]:
        for figure in ("drift", "accuracy", "cold_start", "latency", "memory", "size_bytes"):
            assert candidate[figure], (candidate["name"], figure)
        assert candidate["fidelity"] == digits.report["target"]["fidelity"]
        assert candidate["latency"]["threads"] == digits.report["target"]["threads"]
        assert candidate["cold_start"]["n"] == 5


def test_int8_drifts_more_than_fp32_and_takes_fewer_bytes(digits: Digits) -> None:
    """A quantizer that did nothing would pass every other check."""
    found = {c["name"]: c for c in digits.report["candidates"]}
    for form in FORMATS:
        plain = found[f"{form}-none"]
        for quantization in QUANTIZATION[1:]:
            quantized = found[f"{form}-{quantization}"]
            assert quantized["drift"]["output"]["max_abs"] > 10 * plain["drift"]["output"]["max_abs"], quantized["name"]
            assert quantized["size_bytes"] < plain["size_bytes"], quantized["name"]


def test_the_report_matches_its_schema(digits: Digits) -> None:
    jsonschema.validate(digits.report, report_schema())


def test_the_commands_own_process_stays_small(digits: Digits) -> None:
    first = json.loads((digits.folder / "first.json").read_text())
    assert first["peak_bytes"] < 150e6


def test_the_golden_is_what_the_model_gives_bit_for_bit(digits: Digits) -> None:
    files = digits.entry("golden") / "files"
    code = f"""
import sys; sys.path.insert(0, {str(digits.folder / "examples/digits")!r})
import numpy as np, torch
from model import DigitsNet
from safetensors.torch import load_file
net = DigitsNet(); net.load_state_dict(load_file({str(digits.folder / "examples/digits/weights.safetensors")!r})); net.eval()
for i in range(2):
    x = np.load({str(files)!r} + f"/case-{{i}}-inputs.npz")["image"]
    y = np.load({str(files)!r} + f"/case-{{i}}-outputs.npz")["output"]
    with torch.no_grad():
        assert (net(torch.from_numpy(x)).numpy() == y).all()
    print(len(x))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "3"], "two sizes of the batch"
    assert len(np.load(files / "examples.npz")["image"]) == 2, "neither of them the one it was traced at"


def test_a_second_run_executes_no_step(digits: Digits) -> None:
    started = time.monotonic()
    result = optimize.run(digits.pipeline)
    print(f"second run: {time.monotonic() - started:.2f} s")
    assert result.executed == ()
    assert result.exit_code == 0
    assert result.winner == digits.report["winner"]
    assert result.bundle is not None and result.bundle.is_file()


def test_touching_files_without_changing_them_runs_nothing(digits: Digits) -> None:
    for path in digits.folder.rglob("examples/digits/*"):
        if path.is_file():
            path.touch()
    assert optimize.run(digits.pipeline, until="check").executed == ()


def test_other_calibration_bytes_run_static_quantization_and_what_hangs_on_it(digits: Digits, tmp_path: Path) -> None:
    example = copy_example(digits.folder, tmp_path)
    calibration = tmp_path / "examples" / "digits" / "calibration.npz"
    np.savez(calibration, image=np.load(calibration)["image"][:100])
    result = optimize.run(example.pipeline, until="check", workdir=digits.folder / ".optimize")
    expected = {f"quantize:{f}-static" for f in FORMATS} | {f"check:{f}-static" for f in FORMATS}
    assert set(result.executed) == expected


def test_the_bundle_is_the_same_when_built_again(digits: Digits) -> None:
    before = (digits.folder / "build" / "model.tar.gz").read_bytes()
    digits.forget("bundle")
    result = optimize.run(digits.pipeline)
    assert set(result.executed) == {"bundle", "boot"}
    assert (digits.folder / "build" / "model.tar.gz").read_bytes() == before


def test_the_bundle_holds_the_winner(digits: Digits) -> None:
    with tarfile.open(digits.folder / "build" / "model.tar.gz") as archive:
        names = archive.getnames()
    expected = {"onnx": "model.onnx", "torchscript": "model.pt", "saved_model": "1/saved_model.pb"}
    assert expected[digits.report["winner"].partition("-")[0]] in names


@pytest.mark.parametrize("winner", [f"{f}-static" for f in FORMATS])
def test_whichever_candidate_wins_its_bundle_reproduces_the_golden(digits: Digits, winner: str, tmp_path: Path) -> None:
    output = tmp_path / "model.tar.gz"
    result = optimize.run(
        digits.pipeline, only=[winner], overrides=["objective=size", "benchmark.processes=3", "benchmark.budget_s=0.5",
        f"bundle.output={output}", f"report={tmp_path}"],
    )  # fmt: skip
    assert result.winner == winner and output.is_file()
    boot = next(step for step in result.steps if step.step.name == "boot")
    assert boot.payload["problems"] == []


def test_the_committed_data_is_what_the_script_makes_and_the_model_is_good_enough(root: Path, tmp_path: Path) -> None:
    """Training is exact on one kind of processor only, so weights are compared by what they answer."""
    script = root / "examples" / "digits" / "train.py"
    done = subprocess.run(
        [sys.executable, str(script), "--output", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[2]) >= 0.97, done.stdout
    for name in ("calibration.npz", "evaluation.npz"):
        assert (tmp_path / name).read_bytes() == (root / "examples" / "digits" / name).read_bytes()
    answers = """
import sys; sys.path.insert(0, sys.argv[1])
import numpy as np, torch
from model import DigitsNet
from safetensors.torch import load_file
x = torch.from_numpy(np.load(sys.argv[1] + "/evaluation.npz")["image"])
def predict(path):
    net = DigitsNet(); net.load_state_dict(load_file(path)); net.eval()
    with torch.no_grad():
        return net(x).argmax(1)
same = (predict(sys.argv[1] + "/weights.safetensors") == predict(sys.argv[2] + "/weights.safetensors")).float().mean()
print(float(same))
"""
    command = [sys.executable, "-c", answers, str(root / "examples" / "digits"), str(tmp_path)]
    same = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(same.stdout) >= 0.98
