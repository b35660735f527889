"""Static int8 in PyTorch by FX graph mode, then TorchScript."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.pytorch_to_torchscript import FILE, save, to_torchscript
from optimize.errors import Unsupported
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.quantizers.torch_options import ModuleOptions, prepare_module
from optimize.signature import Signature

reads = "pytorch"
makes = "torchscript"
method = Method("static", precision="int8", calibrated=True, options=ModuleOptions)
libraries = ("torch",)
BATCH = 32


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    import torch

    from optimize.sources.modules import module_source

    source = module_source(model)
    pruned = prepare_module(source, task)
    tensors = _tensors(model.signature, task.examples)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.ao warns that it moves to torchao.
        source.module = _prepare(source.module, tensors, task.options.exclude)
        rows = 0
        for batch in whole_batches(model.signature, task.rows, BATCH):
            source.call(list(_tensors(model.signature, batch)))
            rows += len(next(iter(batch.values())))
        source.module = torch.ao.quantization.quantize_fx.convert_fx(source.module)
        if not any(node.target is torch.quantize_per_tensor for node in source.module.graph.nodes):
            raise Unsupported("FX graph mode finds no layer of torch.nn to quantize; a source that is a graph has none")
        scripted, method, notes = to_torchscript(source.positional(model.signature), model.signature, tensors)
    save(scripted, output / FILE)
    return Made(f"torch.ao FX graph mode, x86 engine, calibrated on {rows} rows; {method}", (*pruned, *notes))


def _tensors(signature: Signature, arrays: Arrays) -> tuple[Any, ...]:
    import torch

    return tuple(torch.from_numpy(arrays[name]) for name in signature.input_names)


def _prepare(module: Any, tensors: tuple[Any, ...], exclude: tuple[str, ...]) -> Any:
    """Fused and observed. FX records the module by symbolic tracing, which a branch on data ends."""
    import torch
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_fx

    torch.backends.quantized.engine = "x86"
    wanted = get_default_qconfig_mapping("x86")
    for name in exclude:
        wanted.set_module_name(name, None)
    try:
        return prepare_fx(module, wanted, example_inputs=tensors)
    except Exception as error:
        # FX raises its own TraceError, and TypeError or whatever the model does with a proxy.
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unsupported(f"torch.fx cannot trace the model symbolically: {first}") from error
