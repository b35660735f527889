"""Dynamic int8 in ONNX Runtime: weights per channel, activations at run time.

Convolutions stay in float: ConvInteger was 4 to 10 times as slow as float on CNNs (ResNet-50, MobileNet, ONNX
Runtime 1.31), since it has no optimized kernel.
"""

from __future__ import annotations

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
    prepared.unlink()
    made = count_nodes(output / FILE, INTEGER) if operators else 0
    if not made:
        raise Unsupported(
            f"no {', '.join(OPERATORS)} with constant weights; dynamic int8 of others does not pay on CPUs"
        )
    channels = "per channel" if task.options.per_channel else "per tensor"
    remark = no_vnni(task)
    return Made(f"ONNX Runtime quantize_dynamic {channels}, {made} integer operators", (remark,) if remark else ())


def _quantize(source: Path, target: Path, operators: list[str], beside: bool, task: Task) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    options: Options = task.options
    signed = options.weights == "int8"
    quantize_dynamic(
        source, target, op_types_to_quantize=operators, per_channel=options.per_channel,
        reduce_range=signed and reduced(options.reduce_range, task), nodes_to_exclude=list(options.exclude),
        weight_type=QuantType.QInt8 if signed else QuantType.QUInt8, use_external_data_format=beside,
        extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip
