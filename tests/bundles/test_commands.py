"""`optimize boot` and `optimize serve`, as a user types them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from optimize.arrays import save_arrays
from optimize.bundles.server import LOOPBACK
from optimize.cli import run_command
from optimize.execution.request import ArtifactReference
from tests.bundles.cases import draw_inputs, right_outputs

Emitted = Callable[..., Path]


def test_without_java_the_functions_are_called_and_that_is_said(
    emitted: Emitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    bundle = emitted("onnx", "single")
    assert run_command(["boot", str(bundle), "--samples", str(bundle.with_name("golden.npz"))]) == 0
    said = capsys.readouterr().out
    assert "handler functions in a clean process" in said
    assert "no server was started: Java is not installed; apt-get install openjdk-17-jre-headless" in said
    assert "every answer was right" in said


def test_answers_that_differ_from_the_samples_end_with_1(
    emitted: Emitted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = draw_inputs("single", 2)
    named = {f"input.{name}": array for name, array in inputs.items()}
    save_arrays(tmp_path / "wrong.npz", named | {"output.logits": np.zeros((2, 3), np.float32)})
    command = ["boot", str(emitted("onnx", "single")), "--samples", str(tmp_path / "wrong.npz"), "--no-server"]
    assert run_command(command) == 1
    assert "wrong: output logits at wrong.npz, asked in npy, has shape [2, 4]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["boot"], "which bundle? optimize boot model.tar.gz"),
        (["boot", "nothing.tar.gz"], "does not exist; `optimize run pipeline.yaml` makes a bundle"),
        (["serve", "nothing.tar.gz"], "does not exist; `optimize run pipeline.yaml` makes a bundle"),
        (["verify", "nothing.tar.gz"], "does not exist; `optimize run pipeline.yaml` makes a bundle"),
    ],
)
def test_what_is_not_there_is_said_and_ends_with_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.fixture
def foreign(model: Callable[[str, str], ArtifactReference], tmp_path: Path) -> Path:
    """A tar as `tar czf` makes it, of a model.pth."""
    bundle = tmp_path / "foreign.tar.gz"
    with tarfile.open(bundle, "w:gz") as tar:
        tar.add(Path(model("torchscript", "single").path) / "model.pt", "model.pth")
    return bundle


def test_of_a_tar_that_is_not_ours_samples_are_asked_for(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["boot", str(foreign)]) == 2
    assert "give an .npz with one array per input: optimize boot foreign.tar.gz --samples" in capsys.readouterr().err


def test_a_tar_whose_entries_lie_in_a_folder_of_their_own_is_refused(
    model: Callable[[str, str], ArtifactReference], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "wrapped.tar.gz"
    with tarfile.open(bundle, "w:gz") as tar:
        tar.add(Path(model("torchscript", "single").path) / "model.pt", "model/model.pt")
    assert run_command(["boot", str(bundle)]) == 2
    assert (
        "at its root lies model; expected model.pt, code/inference.py, 1/saved_model.pb or" in capsys.readouterr().err
    )


def test_a_tar_without_the_service_of_a_multi_model_endpoint_is_told_what_it_lacks(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_arrays(tmp_path / "samples.npz", draw_inputs("single", 2))
    told = ["--samples", str(tmp_path / "samples.npz"), "--container", "multi-model-server", "--multi-model"]
    assert run_command(["boot", str(foreign), *told]) == 2
    assert "foreign.tar.gz has no bundle_service.py at its root" in capsys.readouterr().err


@pytest.mark.slow
def test_a_tar_that_is_not_ours_is_booted_on_the_real_toolkit(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_arrays(tmp_path / "samples.npz", draw_inputs("single", 2))
    assert run_command(["boot", str(foreign), "--samples", str(tmp_path / "samples.npz"), "--json"]) == 0
    payload = json.loads(capsys.readouterr().out)
    assert payload["how"].startswith("served by TorchServe")
    assert payload["served"]["cold_start_s"] > 0


@pytest.mark.slow
def test_serve_answers_on_loopback_until_it_is_interrupted(emitted: Emitted, tmp_path: Path) -> None:
    bundle = emitted("onnx", "single", "multi-model-server")
    command = [sys.executable, "-m", "optimize", "serve", str(bundle)]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        url = wait_for_url(tmp_path / "said")
        inputs = draw_inputs("single", 3)
        body = json.dumps(inputs["image"].tolist()).encode()
        request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            answer = np.asarray(json.load(response), np.float32)
        np.testing.assert_allclose(answer, right_outputs("single", inputs)["logits"], atol=1e-5)
        assert "curl -H 'Content-Type: application/json' --data-binary @" in (tmp_path / "said").read_text("utf-8")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=20) == 130
        finally:
            process.kill()


def wait_for_url(path: Path) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found = re.search(rf"http://{LOOPBACK}:\d+", path.read_text(encoding="utf-8"))
        if found:
            return found[0]
        time.sleep(0.1)
    raise TimeoutError(path.read_text(encoding="utf-8"))
