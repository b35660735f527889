"""One small model of every kind, each as its own library saves it: `python -m tests.newcomers.zoo LIBRARY FOLDER`.

A library to a process, because torch and TensorFlow never share one.
"""

from __future__ import annotations

import sys
from pathlib import Path

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))
"""


def torch_models(folder: Path) -> None:
    """A state_dict, a training checkpoint, TorchScript, two exported programs; data beside those that keep no shapes."""
    import numpy as np
    import torch

    class _Bessel(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    names: dict[str, type[torch.nn.Module]] = {}
    exec(NET, names)
    torch.manual_seed(0)
    net = names["Net"]().eval()
    x = torch.randn(16, 4)
    for name in ("state_dict", "checkpoint", "torchscript"):
        (folder / name).mkdir()
        (folder / name / "net.py").write_text(NET, encoding="utf-8")
        np.savez(folder / name / "calibration.npz", x=x.numpy())
    torch.save(net.state_dict(), folder / "state_dict" / "net.pt")
    torch.save({"epoch": 3, "model_state_dict": net.state_dict()}, folder / "checkpoint" / "last.pt")
    torch.jit.trace(net, x).save(str(folder / "torchscript" / "net.pt"))
    batch = torch.export.Dim("batch")
    program = torch.export.export(net, (x,), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "net.pt2")
    torch.export.save(torch.export.export(_Bessel(), (x,)), folder / "bessel.pt2")


def transformers_models(folder: Path) -> None:
    """A text classifier with its tokenizer, made from a configuration: nothing is fetched."""
    from optimize.sources.huggingface import prepare_environment

    prepare_environment()
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(0)
    hub = folder / "hub"
    hub.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(chr(97 + i) for i in range(26))]
    (hub / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(hub / "vocab.txt")).save_pretrained(hub)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, num_labels=3,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(hub)


def tensorflow_models(folder: Path) -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(8, activation="relu"), layers.Dense(3)])
    model.save(folder / "net.keras")
    model.save(folder / "net.h5")
    tf.saved_model.save(model, str(folder / "saved"))


def sklearn_models(folder: Path) -> None:
    import pickle

    import lightgbm
    import numpy as np
    import skops.io
    import xgboost
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.semi_supervised import LabelPropagation

    x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    (folder / "net.pkl").write_bytes(pickle.dumps(fitted))
    skops.io.dump(fitted, folder / "net.skops")
    skops.io.dump(LabelPropagation().fit(x, y), folder / "propagated.skops")
    xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(x, y).save_model(folder / "net.json")
    lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1).fit(x, y).booster_.save_model(
        str(folder / "net.txt")
    )


LIBRARIES = {
    "torch": torch_models,
    "transformers": transformers_models,
    "tensorflow": tensorflow_models,
    "sklearn": sklearn_models,
}

if __name__ == "__main__":
    LIBRARIES[sys.argv[1]](Path(sys.argv[2]))
