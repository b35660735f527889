"""Dynamic int8 in ONNX Runtime: weights per channel, activations at run time.

Convolutions stay in float: ConvInteger was 4 to 10 times as slow as float on CNNs (ResNet-50, MobileNet, ONNX
Runtime 1.31), since it has no optimized kernel. Recurrent layers have one scale per tensor, with which they took 9 %
less time than with one per channel, at no more drift (two layers of 256, ONNX Runtime 1.32).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.methods import Method, Task
from optimize.quantizers.onnx_tools.graph import FILE, check_names, count_nodes
from optimize.quantizers.onnx_tools.graph import prepare as prepare
from optimize.quantizers.onnx_tools.qdq import reduced
from optimize.quantizers.onnx_tools.remarks import no_vnni
from optimize.sections import Section


class Options(Section):
    """Of dynamic int8 in ONNX Runtime."""

    per_channel: bool = True
    """One scale per output channel of the weights."""
    weights: Literal["int8", "uint8"] = "int8"
    reduce_range: bool | None = None
    """Weights in 7 bits. By default where they are int8 and the target is x86 without VNNI, whose products saturate."""
    exclude: tuple[str, ...] = ()
    """Names of nodes that stay in float."""


reads = "onnx"
makes = "onnx"
method = Method("dynamic", precision="int8", options=Options, targeted=True)
libraries = ("onnx", "onnxruntime")
OPERATORS = ("MatMul", "Gemm", "LSTM", "Gather", "Attention", "EmbedLayerNormalization")
RECURRENT = ("LSTM",)
SMALL = 4096
"""Products with fewer weights stay in float: 256 to 5 took 1.3 µs in int8 and 0.7 in float, and with 128 rows 5.4 and
3.7; 64 to 64 took 1.2 and 0.7, and with 128 rows 3.7 and 4.6 (ONNX Runtime 1.32, AVX-512 VNNI)."""
INTEGER = ("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "QAttention")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    import onnx

    prepared = prepare(model.path / FILE, output)
    graph = onnx.load(prepared, load_external_data=False).graph
    present = {node.op_type for node in graph.node}
    check_names(task.options.exclude, [n.name for n in graph.node if n.op_type in OPERATORS], "node", "exclude")
    # The quantizer rewrites Gemm to MatMul and Add first, and does those only if MatMul is asked for.
    operators = [name for name in OPERATORS if name in present or (name == "MatMul" and "Gemm" in present)]
    if operators:
        _quantize(prepared, output / FILE, operators, any(model.path.glob("*.data")), task)
    _remove(prepared)
    made = count_nodes(output / FILE, INTEGER) if operators else 0
    if not made:
        raise Unsupported(
            f"no {', '.join(OPERATORS)} with constant weights; dynamic int8 of others does not pay on CPUs"
        )
    channels = "per channel" if task.options.per_channel else "per tensor"
    remark = no_vnni(task)
    return Made(f"ONNX Runtime quantize_dynamic {channels}, {made} integer operators", (remark,) if remark else ())


def _quantize(source: Path, target: Path, operators: list[str], beside: bool, task: Task) -> None:
    others = [name for name in operators if name not in RECURRENT]
    if len(others) == len(operators):
        _quantize_some(source, target, others, beside, task, per_channel=task.options.per_channel)
        return
    recurrent = target.with_name("recurrent.onnx") if others else target
    _quantize_some(source, recurrent, list(RECURRENT), beside, task, per_channel=False)
    if others:
        _quantize_some(recurrent, target, others, beside, task, per_channel=task.options.per_channel)
        _remove(recurrent)


def _quantize_some(
    source: Path, target: Path, operators: list[str], beside: bool, task: Task, per_channel: bool
) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    options: Options = task.options
    signed = options.weights == "int8"
    quantize_dynamic(
        source, target, op_types_to_quantize=operators, per_channel=per_channel,
        reduce_range=signed and reduced(options.reduce_range, task),
        nodes_to_exclude=[*options.exclude, *small_products(source)],
        weight_type=QuantType.QInt8 if signed else QuantType.QUInt8, use_external_data_format=beside,
        extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip


def _remove(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)


def small_products(path: Path) -> list[str]:
    """Those that float is faster at, unless the graph has nothing larger; by the names they have, and those that the
    quantizer gives to what it makes of a Gemm."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer if len(tensor.dims) == 2}
    products = {n.name: sizes.get(n.input[1], 0) for n in graph.node if n.op_type in ("MatMul", "Gemm")}
    small = [name for name, size in products.items() if 0 < size < SMALL]
    recurrent = any(node.op_type in (*RECURRENT, "DynamicQuantizeLSTM") for node in graph.node)
    if not recurrent and not any(size >= SMALL for size in products.values()):
        return []
    return [*small, *(f"{name}_MatMul" for name in small)]
