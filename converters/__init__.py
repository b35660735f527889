"""One module per conversion; the contract is `optimize.stages.Converter`."""

TABLE = {
    "huggingface_to_onnx": "optimize.converters.huggingface_to_onnx",
    "sklearn_to_onnx": "optimize.converters.sklearn_to_onnx",
    "xgboost_to_onnx": "optimize.converters.xgboost_to_onnx",
    "lightgbm_to_onnx": "optimize.converters.lightgbm_to_onnx",
    "keras_to_saved_model": "optimize.converters.keras_to_saved_model",
    "keras_to_onnx": "optimize.converters.keras_to_onnx",
    "torchscript_file": "optimize.converters.torchscript_file",
    "exported_program_file": "optimize.converters.exported_program_file",
    "pytorch_to_torchscript": "optimize.converters.pytorch_to_torchscript",
    "pytorch_to_aten_graph": "optimize.converters.pytorch_to_aten_graph",
    "pytorch_to_onnx": "optimize.converters.pytorch_to_onnx",
    "pytorch_to_exported_program": "optimize.converters.pytorch_to_exported_program",
    "torchscript_to_exported_program": "optimize.converters.torchscript_to_exported_program",
    "exported_program_to_aotinductor": "optimize.converters.exported_program_to_aotinductor",
    "aten_graph_to_saved_model": "optimize.converters.aten_graph_to_saved_model",
    "onnx_to_saved_model": "optimize.converters.onnx_to_saved_model",
    "onnx_file": "optimize.converters.onnx_file",
    "saved_model_folder": "optimize.converters.saved_model_folder",
    "saved_model_to_onnx": "optimize.converters.saved_model_to_onnx",
    "onnx_to_openvino": "optimize.converters.onnx_to_openvino",
    "saved_model_to_openvino": "optimize.converters.saved_model_to_openvino",
    "saved_model_to_litert": "optimize.converters.saved_model_to_litert",
}
"""Of equally short paths the one is taken whose last converter stands first here: what is made for one kind of source
stands before what starts from a module or from ONNX."""
