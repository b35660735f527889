"""What the methods that start from a PyTorch module share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from optimize.quantizers.onnx_tools.graph import check_names
from optimize.sections import Section


class ModuleOptions(Section):
    """Of methods that go by the layers of the module."""

    exclude: tuple[str, ...] = ()
    """Names of modules, as `named_modules` gives them, that stay in float with all that is in them."""


def check_modules(module: Any, names: Iterable[str]) -> None:
    """Raises UserError, with the nearest, for a name that the module does not have."""
    check_names(names, [name for name, _ in module.named_modules() if name], "module", "exclude")
