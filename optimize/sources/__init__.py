"""One module per kind of source; the contract is `optimize.sources.base.Source`."""

TABLE = {
    "pytorch": "optimize.sources.pytorch",
    "torchscript": "optimize.sources.torchscript",
    "exported_program": "optimize.sources.exported_program",
    "onnx": "optimize.sources.onnx",
    "keras": "optimize.sources.keras",
    "saved_model": "optimize.sources.saved_model",
    "huggingface": "optimize.sources.huggingface",
    "sklearn": "optimize.sources.sklearn",
    "xgboost": "optimize.sources.xgboost",
    "lightgbm": "optimize.sources.lightgbm",
}
"""The kind, as `source.kind` names it, to its module."""
