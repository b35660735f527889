"""Weights of matrix products in few bits, block by block, computed in float (MatMulNBits)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.methods import Task
from optimize.quantizers.onnx_tools.graph import FILE, check_names, count_nodes, load_prepared, save, weighted
from optimize.sections import Section


class Options(Section):
    """Of weight-only quantization in ONNX Runtime."""

    block_size: Literal[16, 32, 64, 128, 256] = 32
    """Weights that share a scale, along the summed dimension: fewer are nearer to float, and take more bytes."""
    symmetric: bool = True
    """Around zero; else each block has a zero point, too."""
    integer_products: bool = False
    """Let ONNX Runtime turn activations into int8 as well (accuracy level 4), where its kernels gain by it."""
    exclude: tuple[str, ...] = ()
    """Names of nodes that stay in float."""


def quantize_blocks(model: Artifact, task: Task, output: Path, bits: int) -> Made:
    """Raises Unsupported where there is no matrix product with constant weights of two dimensions."""
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    options: Options = task.options
    prepared = _with_plain_products(load_prepared(model, output))
    check_names(options.exclude, [n.name for n in weighted(prepared.graph, ("MatMul",))], "matrix product", "exclude")
    config = DefaultWeightOnlyQuantConfig(
        block_size=options.block_size, is_symmetric=options.symmetric, bits=bits,
        accuracy_level=4 if options.integer_products else None,
    )  # fmt: skip
    quantizer = MatMulNBitsQuantizer(prepared, bits=bits, nodes_to_exclude=list(options.exclude), algo_config=config)
    quantizer.process()
    save(quantizer.model.model, model, output)
    count = count_nodes(output / FILE, ("MatMulNBits",))
    if not count:
        raise Unsupported("the graph has no matrix product with constant weights: MatMulNBits takes no others")
    return Made(
        f"ONNX Runtime MatMulNBits, {bits} bits in blocks of {options.block_size}, {count} products",
        ("weights are turned back into floats as they are used: it gains where memory is the bound, not arithmetic",),
    )


def _with_plain_products(model: Any) -> Any:
    """Gemm without transposition or factors as MatMul and Add, which is all that the quantizer looks for."""
    import onnx

    nodes = []
    for node in model.graph.node:
        attributes = {one.name: one for one in node.attribute}
        plain = node.op_type == "Gemm" and all(
            (name in ("transA", "transB") and one.i == 0) or (name in ("alpha", "beta") and one.f == 1)
            for name, one in attributes.items()
        )
        if not plain:
            nodes.append(node)
            continue
        product = f"{node.output[0]}_product" if len(node.input) > 2 else node.output[0]
        nodes.append(onnx.helper.make_node("MatMul", list(node.input[:2]), [product], node.name))
        if len(node.input) > 2:
            nodes.append(onnx.helper.make_node("Add", [product, node.input[2]], [node.output[0]], f"{node.name}_bias"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
