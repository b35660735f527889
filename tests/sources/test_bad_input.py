"""What cannot be a model is answered in one message: exit code 2, nothing executed, nothing left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from optimize.cli import run_command
from optimize.execution import runner
from tests.forked import ForkedWorkers

SAID = {
    "weights of another architecture": "missing: layer.bias, layer.weight; unexpected: first.bias, first.weight",
    "a checkpoint with an optimizer": "is a training checkpoint.*weights_key: model",
    "an optimizer alone": "the state of an optimizer, not of a model",
    "a pickle bomb in weights": "opening it would execute .*open",
    "half of a safetensors file": "weights.safetensors is not a whole safetensors file.*; copy it again",
    "a safetensors header with another shape": "weights.safetensors is not a whole safetensors file.*; copy it again",
    "a safetensors header that goes beyond the file": "is not a whole safetensors file.*; copy it again",
    "a shard that is not there": "index.json names other.safetensors, and there is no such file.*; copy all",
    "half of a .pt file": "weights.pt cannot be read as weights.*; copy it again",
    "three quarters of a .pth file of before PyTorch 1.6": "weights.pth cannot be read as weights.*; copy it again",
    "a signature of another size": "refuses its signature",
    "a signature of another type": "refuses its signature",
    "text for a module": "refuses its signature",
    "an input too many": "refuses its signature",
    "ten dimensions": "refuses its signature",
    "half of a TorchScript file": "cut short",
    "half of an exported program": "cut short",
    "nine tenths of an exported program": "cut short",
    "half of a Hugging Face folder's model.safetensors": "model.safetensors is not a whole .*; download the model anew",
    "half of a Hugging Face folder's config.json": "config.json is not JSON.*; download the model anew",
    "half of a Hugging Face folder's tokenizer.json": "tokenizer.json is not JSON.*; download the model anew",
    "half of a Hugging Face folder's preprocessor_config.json": "preprocessor_config.json is not JSON.*; download",
    "a Hugging Face shard that is not there": "index.json names model-00002-of-.*, and there is no such.*; download",
    "half of a Hugging Face index": "index.json is not JSON.*; download the model anew",
    "half of a .keras file": "model.keras .*",
    "half of a .h5 file": "model.h5 .*",
    "a Keras file with code in it": "trust: true",
    "a SavedModel without signatures": "has no signatures",
    "half of a SavedModel's saved_model.pb": "is not a whole SavedModel",
    "half of a SavedModel's variables.data-00000-of-00001": "cannot be loaded.*; copy it again",
    "half of an ONNX file": "not a whole ONNX model",
    "half of an ONNX file's weights": "model.onnx.data, which is cut short: it has 24 bytes.* reads 48; copy",
    "an ONNX file with a custom operator": "uses the operator com.acme:Frobnicate",
    "an ONNX file whose input has no elements": "no elements",
    "an ONNX input of another name": "refuses its signature|takes",
    "an empty ONNX file": "is empty",
    "an input of zero size": "dimension 0 is not a positive size",
    "an input with the name of an output": "refuses its signature|takes",
    "half of a pickled estimator": "cannot be read",
    "half of a skops file": "cannot be read",
    "a pickle bomb for an estimator": "opening it would execute .*open",
    "half of an XGBoost .json file": "model.json is not a whole XGBoost model.*; copy it again",
    "half of an XGBoost .ubj file": "model.ubj is not a whole XGBoost model.*; copy it again",
    "half of a LightGBM file": "model.txt is not a whole LightGBM model: it lacks the line `end of trees`; copy",
    "nearly all of a LightGBM file": "model.txt is not a whole .*: it lacks the line `end of parameters`; copy",
}
"""Case to a pattern of what is said of it."""


@pytest.fixture(scope="module")
def workers() -> Iterator[ForkedWorkers]:
    forked = ForkedWorkers()
    yield forked
    forked.close()


@pytest.fixture(scope="module")
def files(workers: ForkedWorkers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for family in ("torch", "tensorflow", "light"):
        workers.call(family, f"tests.sources.bad_files:{family}_files", folder, {})
    return folder


def _below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", SAID)
def test_a_bad_file_is_one_message_and_exit_code_2_and_nothing_is_left(
    case: str,
    files: Path,
    workers: ForkedWorkers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = files / case
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    pipeline = {"name": "bad", "source": source, "candidates": {"formats": ["onnx"]}}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    before = _below(folder)
    monkeypatch.chdir(folder)
    with patch.object(runner, "Workers", lambda: workers):
        code = run_command(["run", "pipeline.yaml"])
    shown = capsys.readouterr()
    said = " ".join((shown.out + shown.err).split())
    assert code == 2, said
    assert re.search(SAID[case], said) and "pipeline.yaml" in said, said
    assert "Traceback" not in said
    assert _below(folder) == before


def test_every_bad_file_is_asked_about(files: Path) -> None:
    assert sorted(path.name for path in files.iterdir() if path.is_dir()) == sorted(SAID)
