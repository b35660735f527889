"""`init` writes a file that runs, for a model of every kind; `inspect` tells its whole signature."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimize.cli import run_command
from optimize.pipeline.loading import load

pytestmark = pytest.mark.slow
KINDS = {
    "pytorch": ("torch", "checkpoint/last.pt", "torchscript-none"),
    "torchscript": ("torch", "torchscript/net.pt", "torchscript-none"),
    "exported_program": ("torch", "net.pt2", "torchscript-none"),
    "huggingface": ("transformers", "hub", "torchscript-none"),
    "keras": ("tensorflow", "net.keras", "saved_model-none"),
    "saved_model": ("tensorflow", "saved", "saved_model-none"),
    "sklearn": ("sklearn", "net.pkl", "onnx-none"),
    "xgboost": ("sklearn", "net.json", "onnx-none"),
}
"""Kind to the library that made it, the model, and the candidate that is soonest made. ONNX is in test_init."""
TO_THE_END = ("torchscript", "sklearn")
"""Those that run to a bundle: one for each of two real servers; the others are checked."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for library in dict.fromkeys(library for library, _, _ in KINDS.values()):
        made = subprocess.run(
            [sys.executable, "-m", "tests.newcomers.zoo", library, str(folder)],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_what_init_writes_runs(kind: str, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, model, candidate = KINDS[kind]
    monkeypatch.chdir(models)
    file = Path(f"{kind}.yaml")
    assert run_command(["init", model, "--output", str(file), "--trust"]) == 0
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=.optimize/pipeline.schema.json\n")
    assert load(file).pipeline.source.kind == kind
    settings = [f"report.folder={kind}-report", "benchmark.processes=3", "benchmark.budget_s=0.5"]
    settings.append(f"bundle.output={kind}-report/model.tar.gz")
    until = "bundle" if kind in TO_THE_END else "check"
    chosen = ["--until", until, "--only", candidate, "--quiet", *(part for one in settings for part in ("-o", one))]
    assert run_command(["run", str(file), *chosen]) == 0
    assert Path(f"{kind}-report/model.tar.gz").is_file() == (kind in TO_THE_END)
    report = json.loads(Path(f"{kind}-report/report.json").read_text(encoding="utf-8"))
    assert {c["name"]: c["state"] for c in report["candidates"]} == {candidate: "ok"}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("hub", ("input_ids: int64[batch, sequence]", "logits: float32[batch, 3]", "3,619 parameters", "Linear ×")),
        ("net.keras", ("x: float32[batch, 4]", "output: float32[batch, 3]", "67 parameters", "Dense ×2")),
        ("net.skops", ("features: float32[batch, 4]", "label: int64[batch]", "LogisticRegression ×1")),
        ("net.json", ("features: float32[batch, 4]", "probabilities: float32[batch, 2]", "3 rounds")),
    ],
)
def test_inspect_tells_the_whole_signature(
    model: str, words: tuple[str, ...], models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["inspect", str(models / model)]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in words), said
    assert "onnx-none" in said and "refuses" not in said


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("bessel.pt2", "pytorch_to_aten_graph refuses this model: no TensorFlow rule for aten.special_bessel_j0"),
        ("propagated.skops", "sklearn_to_onnx refuses this model: skl2onnx: MissingShapeCalculator"),
    ],
)
def test_inspect_tells_in_a_converters_own_words_why_it_refuses_this_model(
    model: str, reason: str, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["inspect", str(models / model)]) == 0
    assert reason in capsys.readouterr().out


def test_an_architecture_that_optimum_does_not_know_is_named(tmp_path: Path) -> None:
    pytest.importorskip("optimum.exporters.onnx")
    from optimize.converters.huggingface_to_onnx import foresee
    from optimize.newcomers.opening import source_artifact
    from optimize.signature import Signature

    (tmp_path / "hub").mkdir()
    for name, refusal in (("bert", ""), ("reformer", "optimum's exporter has no configuration for the architecture")):
        (tmp_path / "hub" / "config.json").write_text(json.dumps({"model_type": name}), encoding="utf-8")
        said = foresee(source_artifact("huggingface", tmp_path / "hub", Signature(())))
        assert said.startswith(refusal) and bool(said) == bool(refusal)


def test_of_a_pickle_init_asks_whether_it_is_trusted_and_elsewhere_leaves_the_question_in_the_file(
    models: Path,
) -> None:
    init = [sys.executable, "-m", "optimize", "init", "net.pkl", "--force", "--output", "asked.yaml"]
    told = subprocess.run(init, cwd=models, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    assert "say in it whether you trust the model" in told
    assert "  # trust: true\n" in (models / "asked.yaml").read_text(encoding="utf-8")
    master, slave = os.openpty()
    process = subprocess.Popen(init, stdin=slave, stdout=slave, stderr=slave, cwd=models)
    os.close(slave)
    os.write(master, b"y\n")
    assert process.wait(60) == 0
    os.close(master)
    assert load(models / "asked.yaml").pipeline.source.trust
