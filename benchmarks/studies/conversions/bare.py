"""What a process of its own makes each artifact with: the library's own call, from the source or another step's files.

`{onnx}` and the like are folders that conversions have made.
"""

from __future__ import annotations

_MODULE = """
import model, torch
from safetensors.torch import load_file
module = model.resnet50().eval()
module.load_state_dict(load_file("weights.safetensors"))
pixels = torch.randn(2, 3, 224, 224)
free = ({0: torch.export.Dim("batch")},)
"""
_ROWS = """
import numpy as np
rows = np.load("rows.npz")["pixels"]
"""
TORCHSCRIPT = _MODULE + "torch.jit.freeze(torch.jit.trace(module, pixels)).save('bare.pt')"
ONNX = _MODULE + (
    "torch.onnx.export(module, (pixels,), 'bare.onnx', dynamo=True, opset_version=20, dynamic_shapes=free, "
    "external_data=False)"
)
EXPORTED_PROGRAM = _MODULE + (
    "torch.export.save(torch.export.export(module, (pixels,), dynamic_shapes=free), 'bare.pt2')"
)
TORCHSCRIPT_DYNAMIC = (
    _MODULE
    + """
quantized = torch.ao.quantization.quantize_dynamic(module, {torch.nn.Linear}, dtype=torch.qint8)
torch.jit.freeze(torch.jit.trace(quantized, pixels)).save("bare.pt")
"""
)
OPENVINO = """
import openvino
openvino.save_model(openvino.convert_model("{onnx}/model.onnx"), "bare.xml", compress_to_fp16=False)
"""
OPENVINO_STATIC = (
    _ROWS
    + """
import nncf, openvino
model = openvino.Core().read_model("{openvino}/model.xml")
data = nncf.Dataset([{"pixels": row[None]} for row in rows])
quantized = nncf.quantize(model, data, subset_size=len(rows))
openvino.save_model(quantized, "bare.xml", compress_to_fp16=False)
"""
)
_LITERT = """
import tensorflow
converter = tensorflow.lite.TFLiteConverter.from_saved_model("{saved_model}")
%s
open("bare.tflite", "wb").write(converter.convert())
"""
LITERT = _LITERT % ""
LITERT_DYNAMIC = _LITERT % "converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]"
_PREPARED = """
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process
quant_pre_process("{onnx}/model.onnx", "prepared.onnx")
"""
ONNX_DYNAMIC = (
    _PREPARED
    + """
quantization.quantize_dynamic(
    "prepared.onnx", "bare.onnx", op_types_to_quantize=["MatMul", "Gemm"], per_channel=True,
    extra_options={"MatMulConstBOnly": True},
)
"""
)
ONNX_STATIC = (
    _ROWS
    + _PREPARED
    + """
class Reader(quantization.CalibrationDataReader):
    def __init__(self):
        self.batches = iter([{"pixels": rows[i : i + 8]} for i in range(0, len(rows), 8)])
    def get_next(self):
        return next(self.batches, None)
quantization.quantize_static(
    "prepared.onnx", "bare.onnx", Reader(), op_types_to_quantize=["Conv", "MatMul", "Gemm", "Relu", "Clip"],
    per_channel=True,
)
"""
)
_KERAS = """
import keras
model = keras.saving.load_model("model.keras", compile=False)
"""
KERAS_SAVED_MODEL = _KERAS + "model.export('bare', verbose=False)"
KERAS_ONNX = (
    _KERAS
    + """
import tensorflow as tf, tf2onnx
specs = [tf.TensorSpec((None, 224, 224, 3), tf.float32, name="x")]
tf2onnx.convert.from_function(tf.function(lambda x: model(x, training=False)), specs, opset=18, output_path="bare.onnx")
"""
)
SKLEARN = """
import joblib, skl2onnx
from skl2onnx.common.data_types import FloatTensorType
model = joblib.load("model.joblib")
made = skl2onnx.convert_sklearn(model, initial_types=[("x", FloatTensorType([None, 16]))], options={"zipmap": False})
open("bare.onnx", "wb").write(made.SerializeToString())
"""
