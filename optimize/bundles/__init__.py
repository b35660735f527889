"""One module per serving container; the contract is `optimize.stages.Bundle`."""

TABLE = {
    "pytorch": "optimize.bundles.pytorch",
    "tensorflow": "optimize.bundles.tensorflow",
}
"""The container, as `bundle.container` names it, to its module; `auto` takes the first that serves the format."""
