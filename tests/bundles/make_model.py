"""Writes one small model in one format: `python make_model.py FORMAT KIND FOLDER`. A process for each framework.

`single`: image: float32[batch, 2, 3] -> logits: float32[batch, 4]
`several`: tokens: int64[batch, sequence], scale: float32[batch]
           -> scores: float32[batch, sequence], total: float32[batch]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = np.linspace(-1, 1, 24).reshape(6, 4).astype(np.float32)
TABLE = np.linspace(-2, 2, 10).astype(np.float32)


def make_onnx(kind: str, folder: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def tensor(name: str, dtype: int, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, dtype, shape)

    if kind == "single":
        nodes = [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        ]
        inputs = [tensor("image", TensorProto.FLOAT, "batch", 2, 3)]
        outputs = [tensor("logits", TensorProto.FLOAT, "batch", 4)]
        weights = [numpy_helper.from_array(WEIGHTS, "w")]
    else:
        nodes = [
            helper.make_node("Gather", ["table", "tokens"], ["values"]),
            helper.make_node("Unsqueeze", ["scale", "axes"], ["column"]),
            helper.make_node("Mul", ["values", "column"], ["scores"]),
            helper.make_node("ReduceSum", ["scores", "axes"], ["total"], keepdims=0),
        ]
        inputs = [tensor("tokens", TensorProto.INT64, "batch", "sequence"), tensor("scale", TensorProto.FLOAT, "batch")]
        outputs = [
            tensor("scores", TensorProto.FLOAT, "batch", "sequence"),
            tensor("total", TensorProto.FLOAT, "batch"),
        ]
        weights = [numpy_helper.from_array(TABLE, "table"), numpy_helper.from_array(np.array([1]), "axes")]
    graph = helper.make_graph(nodes, kind, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "model.onnx")


def torch_module(kind: str) -> tuple[Any, tuple[Any, ...]]:
    """The module, and inputs to trace it with."""
    import torch

    class Single(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("w", torch.from_numpy(WEIGHTS))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.flatten(1) @ self.w

    class Several(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.from_numpy(TABLE))

        def forward(self, tokens: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            scores = self.table[tokens] * scale.unsqueeze(1)
            return scores, scores.sum(1)

    inputs = (torch.zeros(2, 2, 3),) if kind == "single" else (torch.zeros(2, 3, dtype=torch.int64), torch.ones(2))
    return Single() if kind == "single" else Several(), inputs


def make_torchscript(kind: str, folder: Path) -> None:
    import torch

    module, inputs = torch_module(kind)
    torch.jit.trace(module, inputs).save(folder / "model.pt")


def export(kind: str) -> Any:
    import torch
    from torch.export import Dim

    module, inputs = torch_module(kind)
    batch, sequence = Dim("batch", min=1), Dim("sequence", min=1)
    shapes = ({0: batch},) if kind == "single" else ({0: batch, 1: sequence}, {0: batch})
    return torch.export.export(module, inputs, dynamic_shapes=shapes)


def make_exported_program(kind: str, folder: Path) -> None:
    import torch

    torch.export.save(export(kind), folder / "model.pt2")


def make_aotinductor(kind: str, folder: Path) -> None:
    from optimize.converters.exported_program_to_aotinductor import compile_program

    compile_program(export(kind), folder / "model.pt2")


def make_saved_model(kind: str, folder: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    if kind == "single":
        module.w = tf.Variable(WEIGHTS)

        @tf.function(input_signature=[tf.TensorSpec([None, 2, 3], tf.float32, "image")])  # type: ignore[untyped-decorator]
        def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"logits": tf.matmul(tf.reshape(image, [-1, 6]), module.w)}
    else:
        module.table = tf.Variable(TABLE)
        specs = [tf.TensorSpec([None, None], tf.int64, "tokens"), tf.TensorSpec([None], tf.float32, "scale")]

        @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
        def serve(tokens: tf.Tensor, scale: tf.Tensor) -> dict[str, tf.Tensor]:
            scores = tf.gather(module.table, tokens) * scale[:, None]
            return {"scores": scores, "total": tf.reduce_sum(scores, 1)}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})


def make_openvino(kind: str, folder: Path) -> None:
    from optimize.runtimes.openvino import leave_telemetry_out

    leave_telemetry_out()
    import openvino

    make_onnx(kind, folder)
    openvino.save_model(openvino.convert_model(folder / "model.onnx"), folder / "model.xml", compress_to_fp16=False)
    (folder / "model.onnx").unlink()


def make_litert(kind: str, folder: Path) -> None:
    import shutil

    import tensorflow as tf

    saved = folder / "saved"
    make_saved_model(kind, saved)
    (folder / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
    shutil.rmtree(saved)


if __name__ == "__main__":
    make = {
        "onnx": make_onnx, "torchscript": make_torchscript, "saved_model": make_saved_model,
        "openvino": make_openvino, "litert": make_litert, "exported_program": make_exported_program,
        "aotinductor": make_aotinductor,
    }  # fmt: skip
    place = Path(sys.argv[3])
    place.mkdir(parents=True)
    make[sys.argv[1]](sys.argv[2], place)
