"""The search behind `quantization: auto`: what it may try, in which order, when it stops, and what it comes to.

Nothing here runs a step; `optimize.execution.search` does.
"""

RANKERS = {"onnx": "optimize.search.onnx_layers", "openvino": "optimize.search.openvino_layers"}
"""Format to the module whose `rank` says which layers are the most sensitive."""
PROFILERS = {"onnx": "optimize.search.onnx_profile"}
"""Format to the module whose `profile` says what its runtime spends its time on."""
