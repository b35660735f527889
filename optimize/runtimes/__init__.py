"""One module per runtime; the contract is `optimize.stages.Runtime`."""

TABLE = {
    "torchscript": "optimize.runtimes.torchscript",
    "onnxruntime": "optimize.runtimes.onnx",
    "tensorflow": "optimize.runtimes.saved_model",
    "openvino": "optimize.runtimes.openvino",
    "litert": "optimize.runtimes.litert",
    "exported_program": "optimize.runtimes.exported_program",
    "aotinductor": "optimize.runtimes.aotinductor",
}
