"""Static int8 of a torch.export graph by PT2E, as Inductor's kernels for x86 read it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

from optimize.artifact import Artifact
from optimize.converters.exporting import Exported, export
from optimize.errors import Unsupported
from optimize.golden import whole_batches
from optimize.methods import Task
from optimize.quantizers.onnx_tools.qdq import reduced
from optimize.quantizers.pt2e_channels import widen_single_channels
from optimize.quantizers.torch_options import ModuleOptions, prepare_module

BATCH = 8


class Options(ModuleOptions):
    """Of static int8 by PT2E."""

    reduce_range: bool | None = None
    """Activations in 7 bits. By default where the target is x86 without VNNI, whose products of 8 bits saturate."""


def quantized_program(model: Artifact, task: Task) -> tuple[Exported, int]:
    """The program with its quantize/dequantize pairs, named dimensions free, and how many activations they quantize."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from optimize.sources.modules import module_source

    if task.architecture != "x86_64":
        raise Unsupported(f"PT2E's quantizer is for x86, and the target is {task.architecture}")
    source = module_source(model)
    pruned = prepare_module(source, task)
    module = source.positional(model.signature)
    graph = export(module, model.signature, task.examples, finish=lambda program: program).program.module()
    graph.graph.eliminate_dead_code()  # A layer nobody reads, as BERT's pooler can be, stops the quantizer.
    graph.recompile()
    widen_single_channels(graph)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        prepared = prepare_pt2e(graph, _quantizer(task))
        for batch in whole_batches(model.signature, task.rows, BATCH):
            prepared(*(torch.from_numpy(batch[name]) for name in model.signature.input_names))
        converted = convert_pt2e(prepared)
    count = sum("quantized_decomposed.quantize_per_tensor" in str(node.target) for node in converted.graph.nodes)
    if not count:
        raise Unsupported("PT2E finds no convolution or linear layer to quantize in the graph of torch.export")
    exported = export(converted, model.signature, task.examples, finish=lambda program: program)
    return replace(exported, notes=(*pruned, *exported.notes)), count


def _quantizer(task: Task) -> Any:
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    reduce_range = reduced(task.options.reduce_range, task)
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config(reduce_range=reduce_range))
    for name in task.options.exclude:
        quantizer.set_module_name_qconfig(f"model.{name}", None)  # The user's module stands in one of ours.
    return quantizer
