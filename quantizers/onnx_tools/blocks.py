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
    """Gemm as MatMul and Add, which is all that the quantizer looks for; a transposed weight is laid out anew."""
    import onnx

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        turned = attributes.pop("transB", 0)
        plain = all(value == (0 if name == "transA" else 1) for name, value in attributes.items())
        if node.op_type != "Gemm" or node.input[1] not in weights or not plain:
            nodes.append(node)
            continue
        weight = _transposed(model.graph, weights[node.input[1]]) if turned else node.input[1]
        product = f"{node.output[0]}_product" if len(node.input) > 2 else node.output[0]
        nodes.append(onnx.helper.make_node("MatMul", [node.input[0], weight], [product], node.name))
        if len(node.input) > 2:
            nodes.append(onnx.helper.make_node("Add", [product, node.input[2]], [node.output[0]], f"{node.name}_bias"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _transposed(graph: Any, weight: Any) -> str:
    """The name of a new initializer. The old one stays for its other readers; without any, the quantizer drops it."""
    import numpy as np
    from onnx import numpy_helper

    name = f"{weight.name}_transposed"
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(weight).T), name))
    return name
