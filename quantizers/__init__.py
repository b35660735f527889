"""One module per method; the contract is `optimize.stages.Quantizer`."""

TABLE = {
    "torchscript_dynamic": "optimize.quantizers.torchscript_dynamic",
    "torchscript_static": "optimize.quantizers.torchscript_static",
    "torchscript_bf16": "optimize.quantizers.torchscript_bf16",
    "exported_program_static": "optimize.quantizers.exported_program_static",
    "aotinductor_static": "optimize.quantizers.aotinductor_static",
    "onnx_dynamic": "optimize.quantizers.onnx_dynamic",
    "onnx_static": "optimize.quantizers.onnx_static",
    "onnx_smoothquant": "optimize.quantizers.onnx_smoothquant",
    "onnx_weight_only": "optimize.quantizers.onnx_weight_only",
    "onnx_int4": "optimize.quantizers.onnx_int4",
    "onnx_fp16": "optimize.quantizers.onnx_fp16",
    "onnx_optimum": "optimize.quantizers.onnx_optimum",
    "saved_model_weight_only": "optimize.quantizers.saved_model_weight_only",
    "saved_model_static": "optimize.quantizers.saved_model_static",
    "openvino_dynamic": "optimize.quantizers.openvino_dynamic",
    "openvino_static": "optimize.quantizers.openvino_static",
    "openvino_bf16": "optimize.quantizers.openvino_bf16",
    "litert_dynamic": "optimize.quantizers.litert_dynamic",
    "litert_static": "optimize.quantizers.litert_static",
}
