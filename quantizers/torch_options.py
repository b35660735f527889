"""What the methods that start from a PyTorch module share."""

from __future__ import annotations

from typing import Any

from optimize.methods import Task
from optimize.quantizers.onnx_tools.graph import check_names
from optimize.quantizers.pruning import Pruning, prune
from optimize.sections import Section


class ModuleOptions(Section):
    """Of methods that go by the layers of the module."""

    exclude: tuple[str, ...] = ()
    """Names of modules, as `named_modules` gives them, that stay in float with all that is in them."""
    prune: Pruning | None = None
    """Weights set to zero, or channels taken out, first. By default none."""

    def libraries(self) -> tuple[str, ...]:
        return ("torch-pruning",) if self.prune and self.prune.kind == "channels" else ()


def prepare_module(source: Any, task: Task) -> tuple[str, ...]:
    """Prunes the module of a `ModuleSource` where that is asked for, and says so. Raises UserError, with the nearest,
    for an excluded name that it does not have."""
    import torch

    options: ModuleOptions = task.options
    check_names(options.exclude, [name for name, _ in source.module.named_modules() if name], "module", "exclude")
    if not options.prune:
        return ()
    tensors = [torch.from_numpy(task.examples[name]) for name in source.signature.input_names]
    return (prune(source.module, lambda: source.call(tensors), options.prune),)
