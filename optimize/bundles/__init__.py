"""One module per serving container; the contract is `optimize.stages.Bundle`."""

TABLE = {
    "multi-model-server": "optimize.bundles.multi_model_server",
    "tensorflow": "optimize.bundles.tensorflow",
    "pytorch": "optimize.bundles.pytorch",
    "huggingface": "optimize.bundles.huggingface",
    "triton": "optimize.bundles.triton",
}
"""The container, as `bundle.container` names it, to its module; `auto` takes the first that serves the format.

The leanest come first, by memory and time to the first right answer: multi-model-server without PyTorch, TorchServe,
multi-model-server with PyTorch and transformers. What cannot be started here, and so was never measured, is last."""
