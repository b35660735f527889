"""One module per kind of source; the contract is `optimize.sources.base.Source`."""

TABLE = {
    "pytorch": "optimize.sources.pytorch",
    "onnx": "optimize.sources.onnx",
}
"""The kind, as `source.kind` names it, to its module."""
