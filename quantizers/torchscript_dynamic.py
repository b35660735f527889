"""Dynamic int8 of linear and recurrent layers in PyTorch, then TorchScript.

Weights and activations are int8 per tensor, the latter at run time. Convolutions stay in float: PyTorch has no
dynamic kernel for them.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.converters.pytorch_to_torchscript import FILE, save, to_torchscript
from optimize.errors import Unsupported
from optimize.methods import Method, Task

reads = "pytorch"
makes = "torchscript"
method = Method("dynamic", precision="int8")
libraries = ("torch",)


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    import torch
    from torch import nn

    from optimize.sources.modules import load_module

    module = load_module(model)
    kinds = {nn.Linear, nn.LSTM, nn.GRU}
    count = sum(type(layer) in kinds for layer in module.modules())
    if not count:
        raise Unsupported("the model has no nn.Linear, nn.LSTM or nn.GRU, and quantize_dynamic does no other layer")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(module, kinds, dtype=torch.qint8)
    tensors = tuple(torch.from_numpy(task.examples[name]) for name in model.signature.input_names)
    scripted, method, notes = to_torchscript(quantized, model.signature, tensors)
    save(scripted, output / FILE)
    return Made(f"torch.ao quantize_dynamic of {count} layers; {method}", notes)
