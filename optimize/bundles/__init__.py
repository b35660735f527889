"""One module per serving container; the contract is `optimize.stages.Bundle`."""

TABLE = {
    "pytorch": "optimize.bundles.pytorch",
    "tensorflow": "optimize.bundles.tensorflow",
    "multi-model-server": "optimize.bundles.multi_model_server",
}
"""The container, as `bundle.container` names it, to its module; `auto` takes the first that serves the format.

Containers with an image of AWS's own come first; after them those for which the user builds one."""
