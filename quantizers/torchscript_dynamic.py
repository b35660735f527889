"""Dynamic int8 of linear and recurrent layers in PyTorch, then TorchScript.

Activations become int8 per tensor at run time. Convolutions stay in float: PyTorch has no dynamic kernel for them.

The state_dict of what `quantize_dynamic` makes holds packed parameters, which the float module does not load: whoever
ships one must quantize a fresh module first. TorchScript carries the quantized modules themselves, and needs neither.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from optimize.artifact import Artifact, Made
from optimize.converters.pytorch_to_torchscript import FILE, save, to_torchscript
from optimize.errors import Unsupported
from optimize.methods import Method, Task
from optimize.quantizers.torch_options import ModuleOptions, prepare_module

reads = "pytorch"
makes = "torchscript"


class Options(ModuleOptions):
    """Of dynamic int8 in PyTorch."""

    per_channel: bool = True
    """One scale per output channel of linear layers; recurrent ones have one per tensor."""


method = Method("dynamic", precision="int8", options=Options)
libraries = ("torch",)


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    import torch

    from optimize.sources.modules import module_source

    source = module_source(model)
    pruned = prepare_module(source, task)
    module = source.positional(model.signature)
    layers = _layers(module, task.options)
    if not layers:
        raise Unsupported("the model has no nn.Linear, nn.LSTM or nn.GRU, and quantize_dynamic does no other layer")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(module, layers, dtype=torch.qint8)
    channels = "per channel" if task.options.per_channel else "per tensor"
    tensors = tuple(torch.from_numpy(task.examples[name]) for name in model.signature.input_names)
    scripted, method, notes = to_torchscript(quantized, model.signature, tensors)
    save(scripted, output / FILE)
    return Made(f"torch.ao quantize_dynamic of {len(layers)} layers, {channels}; {method}", (*pruned, *notes))


def _layers(module: Any, options: Options) -> dict[str, Any]:
    """Names of the layers there is a kernel for, with how each is quantized."""
    from torch import nn
    from torch.ao.quantization import default_dynamic_qconfig, per_channel_dynamic_qconfig

    linear = per_channel_dynamic_qconfig if options.per_channel else default_dynamic_qconfig
    kinds = {nn.Linear: linear, nn.LSTM: default_dynamic_qconfig, nn.GRU: default_dynamic_qconfig}
    left_out = tuple(f"model.{name}." for name in options.exclude)
    return {
        name: kinds[type(layer)]
        for name, layer in module.named_modules()
        if type(layer) in kinds and not f"{name}.".startswith(left_out)
    }
