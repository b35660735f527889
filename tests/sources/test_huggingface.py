"""Hugging Face folders: inputs, tasks and samples are told from the folder, and nothing is executed unasked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature
from optimize.sources import huggingface
from optimize.sources.huggingface_tasks import infer_task

ROOT = Path(__file__).parents[2]

MODELS = """
import json, sys, pathlib
from tests.matrix import zoo_huggingface as zoo
from optimize.artifact import Artifact
from optimize.golden import take
from optimize.signature import Signature
from optimize.sources import huggingface
from optimize.stages import RuntimeSettings

def told(name, make, **options):
    folder = pathlib.Path(name)
    folder.mkdir(exist_ok=True)
    make(folder)
    model = Artifact(folder, "huggingface", "source", Signature(()), huggingface.Options(folder="model", **options).model_dump())
    source = huggingface.open(huggingface.read(model), model, RuntimeSettings())
    samples = source.samples(4)
    outputs = source.run(samples.arrays)
    return {
        "inputs": [str(spec) for spec in source.signature.inputs],
        "outputs": {key: [value.dtype.name, list(value.shape)] for key, value in outputs.items()},
        "samples": {key: [int(value.min()), int(value.max())] for key, value in samples.arrays.items()},
        "training": source.module.training or source.module.model.training,
    }

def refused(name, **options):
    try:
        told(name, lambda folder: None, **options)
    except Exception as error:
        return f"{type(error).__name__} {getattr(error, 'key', '')}: {error}"
    return "taken"

found = {
    "bert": told("bert", zoo.bert),
    "decoder": told("decoder", zoo.decoder),
    "vit": told("vit", zoo.vit),
    "features": told("features", lambda folder: zoo.bert(folder, "BertModel")),
    "answers": told("answers", lambda folder: zoo.bert(folder, "BertForQuestionAnswering", classes=2)),
    "features of a classifier": told("bert", lambda folder: None, task="feature-extraction"),
    "another task": refused("features", task="text-classification"),
}

import torch
weights = pathlib.Path("vit/model/model.safetensors")
whole = weights.read_bytes()
weights.write_bytes(whole[: len(whole) // 2])
found["cut off"] = refused("vit")
weights.unlink()

class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))

torch.save({"weight": Bomb()}, "vit/model/pytorch_model.bin")
found["pickle"] = refused("vit")
found["exploded"] = pathlib.Path("exploded").exists()
pathlib.Path("decoder/model/tokenizer.json").write_text("{}")
found["tokenizer"] = refused("decoder")
found["tensorflow"] = "tensorflow" in sys.modules
print("found:" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All in one process: importing transformers takes longer than the rest."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{MODELS}"
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("found:"))
    answer: dict[str, Any] = json.loads(line.removeprefix("found:"))
    return answer


def test_inputs_are_those_of_the_tokenizer_in_the_models_own_order(found: dict[str, Any]) -> None:
    ids = "int64[batch, sequence]"
    assert found["bert"]["inputs"] == [f"input_ids: {ids}", f"attention_mask: {ids}", f"token_type_ids: {ids}"]
    assert found["decoder"]["inputs"] == [f"input_ids: {ids}", f"attention_mask: {ids}"]
    assert found["vit"]["inputs"] == ["pixel_values: float32[batch, 3, 32, 32]"]


def test_outputs_are_the_tasks_own(found: dict[str, Any]) -> None:
    assert found["bert"]["outputs"] == {"logits": ["float32", [4, 3]]}
    assert found["decoder"]["outputs"] == {"logits": ["float32", [4, 32, 100]]}
    assert found["vit"]["outputs"] == {"logits": ["float32", [4, 5]]}
    for name in ("features", "features of a classifier"):
        assert found[name]["outputs"] == {"last_hidden_state": ["float32", [4, 32, 32]]}
    assert list(found["answers"]["outputs"]) == ["start_logits", "end_logits"]
    assert not found["bert"]["training"]


def test_drawn_samples_are_ones_that_the_model_takes(found: dict[str, Any]) -> None:
    drawn = found["bert"]["samples"]
    assert drawn["input_ids"][0] >= 0 and drawn["input_ids"][1] < 100
    assert drawn["attention_mask"] == [0, 1] and drawn["token_type_ids"] == [0, 0]


def test_a_head_that_was_never_trained_is_refused(found: dict[str, Any]) -> None:
    assert found["another task"].startswith("UserError source.task:")
    assert "no weights for classifier.bias, classifier.weight" in found["another task"]


def test_what_cannot_be_read_is_said(found: dict[str, Any]) -> None:
    assert (
        found["cut off"].startswith("UserError source.folder:") and "not a whole safetensors file" in found["cut off"]
    )
    assert "would execute" in found["pickle"] and "open" in found["pickle"] and not found["exploded"]
    assert found["tokenizer"].startswith("UserError source.inputs: the tokenizer in")


def test_tensorflow_stays_out(found: dict[str, Any]) -> None:
    assert not found["tensorflow"]


def refusal(folder: Path, config: Any, trust: bool = False, weights: bool = True) -> UserError:
    """Of what is told before a framework is loaded."""
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    if weights:
        (folder / "model.safetensors").write_bytes(b"")
    options = huggingface.Options(folder=".", trust=trust).model_dump()
    with pytest.raises(UserError) as error:
        huggingface.build_module(Artifact(folder, "huggingface", "source", Signature(()), options))
    return error.value


BERT = {"model_type": "bert", "architectures": ["BertModel"]}


@pytest.mark.parametrize(("config", "said"), [
    ("{", "is not JSON"),
    ({"hidden_size": 3}, "names no model_type"),
    ({"model_type": "bert"}, "without architectures does not tell"),
    ({"model_type": "bert", "architectures": ["BertForNothing"]}, "BertForNothing does not tell"),
    (BERT | {"auto_map": {"AutoModel": "modeling.Mine"}}, r"would execute modeling\.Mine.*trust: true"),
])  # fmt: skip
def test_a_folder_that_will_not_do_is_said_before_anything_is_loaded(config: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        raise refusal(tmp_path, config)


def test_a_folder_without_weights_is_said(tmp_path: Path) -> None:
    error = refusal(tmp_path, BERT, weights=False)
    assert "has no model.safetensors and no pytorch_model.bin; it has config.json" in error.message


def test_a_task_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'chatting' is not a task .*text-classification"):
        huggingface.Options(folder="model", task="chatting")


@pytest.mark.parametrize(("architecture", "task"), [
    ("RobertaForMaskedLM", "fill-mask"), ("GPT2LMHeadModel", "text-generation"), ("LlamaForCausalLM", "text-generation"),
    ("ViTForImageClassification", "image-classification"), ("DistilBertForTokenClassification", "token-classification"),
    ("MPNetModel", "feature-extraction"),
])  # fmt: skip
def test_an_architecture_tells_its_task(architecture: str, task: str) -> None:
    assert infer_task({"architectures": [architecture]}) == task
