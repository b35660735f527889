"""One module per conversion; the contract is `optimize.stages.Converter`."""

TABLE = {
    "pytorch_to_torchscript": "optimize.converters.pytorch_to_torchscript",
    "pytorch_to_onnx": "optimize.converters.pytorch_to_onnx",
    "pytorch_to_aten_graph": "optimize.converters.pytorch_to_aten_graph",
    "aten_graph_to_saved_model": "optimize.converters.aten_graph_to_saved_model",
    "onnx_file": "optimize.converters.onnx_file",
}
