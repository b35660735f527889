"""Dynamic int8 in ONNX Runtime: weights per channel, activations at run time.

Convolutions stay in float: ConvInteger was 4 to 10 times as slow as float on CNNs (ResNet-50, MobileNet, ONNX
Runtime 1.31), since it has no optimized kernel.
"""

from __future__ import annotations

from pathlib import Path

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.methods import Method, Task

reads = "onnx"
makes = "onnx"
method = Method("dynamic", precision="int8")
libraries = ("onnx", "onnxruntime")
FILE = "model.onnx"
OPERATORS = ("MatMul", "Gemm", "LSTM", "Gather", "Attention", "EmbedLayerNormalization")
INTEGER = ("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "QAttention")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    import onnx

    prepared = prepare(model.path / FILE, output)
    present = {node.op_type for node in onnx.load(prepared, load_external_data=False).graph.node}
    # The quantizer rewrites Gemm to MatMul and Add first, and does those only if MatMul is asked for.
    operators = [name for name in OPERATORS if name in present or (name == "MatMul" and "Gemm" in present)]
    if operators:
        _quantize(prepared, output / FILE, operators, beside=any(model.path.glob("*.data")))
    prepared.unlink()
    made = count_nodes(output / FILE, INTEGER) if operators else 0
    if not made:
        raise Unsupported(
            f"no {', '.join(OPERATORS)} with constant weights; dynamic int8 of others does not pay on CPUs"
        )
    return Made(f"ONNX Runtime quantize_dynamic per channel, {made} integer operators")


def _quantize(source: Path, target: Path, operators: list[str], beside: bool) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source, target, op_types_to_quantize=operators, per_channel=True, weight_type=QuantType.QInt8,
        use_external_data_format=beside, extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip


def count_nodes(path: Path, kinds: tuple[str, ...]) -> int:
    import onnx

    return sum(node.op_type in kinds for node in onnx.load(path, load_external_data=False).graph.node)


def prepare(path: Path, output: Path) -> Path:
    """The graph as ONNX Runtime's quantizers want it: shapes inferred, constants folded, patterns fused."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = output / "prepared.onnx"
    try:
        quant_pre_process(path, prepared, skip_symbolic_shape=False)
    except Exception as error:  # noqa: BLE001
        # Symbolic shape inference gives up on some transformers, in many ways; the rest does without it.
        print(f"symbolic shape inference failed, prepared without it: {error}")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
    return prepared
