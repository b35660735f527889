"""What the methods that start from a PyTorch module share."""

from __future__ import annotations

from typing import Any

from optimize.quantizers.onnx_tools.graph import check_names
from optimize.quantizers.pruning import Pruning, prune
from optimize.sections import Section


class ModuleOptions(Section):
    """Of methods that go by the layers of the module."""

    exclude: tuple[str, ...] = ()
    """Names of modules, as `named_modules` gives them, that stay in float with all that is in them."""
    prune: Pruning | None = None
    """Weights set to zero first. By default none."""


def prepare_module(module: Any, options: ModuleOptions) -> tuple[str, ...]:
    """Prunes it where that is asked for, and says so. Raises UserError, with the nearest, for an excluded name that it
    does not have."""
    check_names(options.exclude, [name for name, _ in module.named_modules() if name], "module", "exclude")
    return (prune(module, options.prune),) if options.prune else ()
