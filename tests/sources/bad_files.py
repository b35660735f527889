"""Files that no model can be made of, one folder each with the `source` section that names it.

Each function runs in a process that has the libraries it needs; tests/sources/test_bad_input.py reads what they leave.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS = {"x": {"dtype": "float32", "shape": ["batch", 4]}}
MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return self.layer(x)

class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 5)

    def forward(self, x):
        return self.first(x)
"""


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, ("exploded", "w"))


def _case(root: Path, name: str, **source: Any) -> Path:
    """Its folder; `source` is what the pipeline file says of it."""
    made = root / name
    made.mkdir()
    (made / "source.json").write_text(json.dumps(source), encoding="utf-8")
    return made


def _halve(path: Path, share: float = 0.5) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])


def _lie(path: Path, name: str, **changes: Any) -> None:
    """Of a tensor in the header of a safetensors file."""
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    header[name] |= changes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + size :])


def torch_files(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    scope: dict[str, Any] = {}
    exec(MODEL, scope)
    net, other = scope["Net"](), scope["Other"]()
    module = {"kind": "pytorch", "factory": "model.py:Net", "inputs": ROWS}

    def module_case(name: str, weights: str = "weights.safetensors", **changes: Any) -> Path:
        made = _case(folder, name, **{**module, "weights": weights, **changes})
        (made / "model.py").write_text(MODEL, encoding="utf-8")
        save_file(net.state_dict(), made / "weights.safetensors")
        return made

    save_file(other.state_dict(), module_case("weights of another architecture") / "weights.safetensors")
    made = module_case("a checkpoint with an optimizer", "checkpoint.pt")
    optimizer = torch.optim.Adam(net.parameters()).state_dict()
    torch.save({"model": net.state_dict(), "optimizer": optimizer}, made / "checkpoint.pt")
    torch.save(optimizer, module_case("an optimizer alone", "weights.pt") / "weights.pt")
    torch.save({"layer.weight": Bomb()}, module_case("a pickle bomb in weights", "weights.pt") / "weights.pt")
    _halve(module_case("half of a safetensors file") / "weights.safetensors")
    _lie(module_case("a safetensors header with another shape") / "weights.safetensors", "layer.bias", shape=[300])
    beyond = {"data_offsets": [0, 1 << 40], "shape": [1 << 38]}
    _lie(module_case("a safetensors header that goes beyond the file") / "weights.safetensors", "layer.bias", **beyond)
    made = module_case("a shard that is not there", "model.safetensors.index.json")
    index = {"weight_map": {"layer.weight": "weights.safetensors", "layer.bias": "other.safetensors"}}
    (made / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    made = module_case("half of a .pt file", "weights.pt")
    torch.save(net.state_dict(), made / "weights.pt")
    _halve(made / "weights.pt")
    made = module_case("three quarters of a .pth file of before PyTorch 1.6", "weights.pth")
    torch.save(net.state_dict(), made / "weights.pth", _use_new_zipfile_serialization=False)
    _halve(made / "weights.pth", 0.75)
    module_case("a signature of another size", inputs={"x": {"dtype": "float32", "shape": ["batch", 5]}})
    module_case("a signature of another type", inputs={"x": {"dtype": "int64", "shape": ["batch", 4]}})
    module_case("text for a module", inputs={"x": {"dtype": "str", "shape": ["batch", 4]}})
    module_case("an input too many", inputs={**ROWS, "y": ROWS["x"]})
    module_case("ten dimensions", inputs={"x": {"dtype": "float32", "shape": ["batch", *[1] * 8, 5]}})
    made = _case(folder, "half of a TorchScript file", kind="torchscript", file="model.pt", inputs=ROWS)
    torch.jit.trace(net, torch.zeros(2, 4)).save(made / "model.pt")
    _halve(made / "model.pt")
    for name, share in (("half", 0.5), ("nine tenths", 0.9)):  # The latter ends in the archive of the weights.
        made = _case(folder, f"{name} of an exported program", kind="exported_program", file="model.pt2")
        torch.export.save(torch.export.export(net, (torch.zeros(2, 4),)), made / "model.pt2")
        _halve(made / "model.pt2", share)
    _hugging_face(folder)


def _hugging_face(folder: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification, ViTImageProcessor
    from transformers.models.bert import BertTokenizerFast

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=20, **sizes))
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))

    def folder_case(name: str, shard: str = "1GB") -> Path:
        made = _case(folder, name, kind="huggingface", folder="model")
        for one in (tokenizer, ViTImageProcessor()):
            one.save_pretrained(made / "model")
        model.save_pretrained(made / "model", max_shard_size=shard)
        return made / "model"

    for file in ("model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json"):
        _halve(folder_case(f"half of a Hugging Face folder's {file}") / file)
    next(folder_case("a Hugging Face shard that is not there", "2KB").glob("model-00002-*")).unlink()
    _halve(folder_case("half of a Hugging Face index", "2KB") / "model.safetensors.index.json")


def tensorflow_files(folder: Path) -> None:
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    for suffix in ("keras", "h5"):
        made = _case(folder, f"half of a .{suffix} file", kind="keras", file=f"model.{suffix}")
        model.save(made / f"model.{suffix}")
        _halve(made / f"model.{suffix}")
    made = _case(folder, "a Keras file with code in it", kind="keras", file="model.keras")
    bomb = keras.layers.Lambda(lambda x: (Path("exploded").touch(), x)[1])
    keras.Sequential([keras.Input((4,)), bomb]).save(made / "model.keras")
    module = tf.Module()
    module.weights = tf.Variable(tf.ones((4, 3)))
    made = _case(folder, "a SavedModel without signatures", kind="saved_model", folder="model")
    tf.saved_model.save(module, str(made / "model"))
    serve = tf.function(lambda x: {"y": x @ module.weights}, [tf.TensorSpec((None, 4), tf.float32, "x")])
    for file in ("saved_model.pb", "variables/variables.data-00000-of-00001"):
        made = _case(folder, f"half of a SavedModel's {file.rpartition('/')[2]}", kind="saved_model", folder="model")
        tf.saved_model.save(module, str(made / "model"), {"serving_default": serve})
        _halve(made / "model" / file)


def light_files(folder: Path) -> None:
    import joblib
    import numpy as np
    import onnx
    import skops.io
    from onnx import TensorProto, helper, numpy_helper
    from sklearn.linear_model import LogisticRegression

    def model(operator: str, shape: list[Any], domain: str = "") -> Any:
        weight = numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
        graph = helper.make_graph(
            [helper.make_node(operator, ["x", "w"], ["y"], domain=domain)], "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])], [weight],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def onnx_case(name: str, made: Any, **changes: Any) -> Path:
        path = _case(folder, name, **{"kind": "onnx", "file": "model.onnx", **changes})
        onnx.save(made, path / "model.onnx")
        return path

    _halve(onnx_case("half of an ONNX file", model("MatMul", ["batch", 4])) / "model.onnx")
    made = _case(folder, "half of an ONNX file's weights", kind="onnx", file="model.onnx")
    apart = {"save_as_external_data": True, "location": "model.onnx.data", "size_threshold": 0}
    onnx.save(model("MatMul", ["batch", 4]), made / "model.onnx", **apart)
    _halve(made / "model.onnx.data")
    onnx_case("an ONNX file with a custom operator", model("Frobnicate", ["batch", 4], "com.acme"))
    onnx_case("an ONNX file whose input has no elements", model("MatMul", [0, 4]))
    wrong = {"z": {"dtype": "float32", "shape": ["batch", 4]}}
    onnx_case("an ONNX input of another name", model("MatMul", ["batch", 4]), inputs=wrong)
    (_case(folder, "an empty ONNX file", kind="onnx", file="model.onnx") / "model.onnx").write_bytes(b"")
    zero = {"x": {"dtype": "float32", "shape": ["batch", 0]}}
    onnx_case("an input of zero size", model("MatMul", ["batch", 4]), inputs=zero)
    shadow = {"x": {"dtype": "float32", "shape": ["batch", 4]}, "y": {"dtype": "float32", "shape": ["batch", 4]}}
    onnx_case("an input with the name of an output", model("MatMul", ["batch", 4]), inputs=shadow)

    fitted = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
    made = _case(folder, "half of a pickled estimator", kind="sklearn", file="model.joblib", trust=True)
    joblib.dump(fitted, made / "model.joblib")
    _halve(made / "model.joblib")
    made = _case(folder, "half of a skops file", kind="sklearn", file="model.skops")
    skops.io.dump(fitted, made / "model.skops")
    _halve(made / "model.skops")
    made = _case(folder, "a pickle bomb for an estimator", kind="sklearn", file="model.joblib")
    joblib.dump(Bomb(), made / "model.joblib")
    _boosters(folder)


def _boosters(folder: Path) -> None:
    import lightgbm
    import numpy as np
    import xgboost

    x, y = np.random.default_rng(0).standard_normal((400, 4)), np.arange(400) % 2
    for suffix in ("json", "ubj"):
        made = _case(folder, f"half of an XGBoost .{suffix} file", kind="xgboost", file=f"model.{suffix}")
        xgboost.XGBClassifier(n_estimators=2).fit(x, y).save_model(made / f"model.{suffix}")
        _halve(made / f"model.{suffix}")
    for name, share in (("half", 0.5), ("nearly all", 0.97)):  # The latter ends in the parameters.
        made = _case(folder, f"{name} of a LightGBM file", kind="lightgbm", file="model.txt")
        lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(x, y).booster_.save_model(made / "model.txt")
        _halve(made / "model.txt", share)
