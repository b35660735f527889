"""Static int8 in OpenVINO by NNCF's post-training quantization: weights per channel, activations calibrated.

Calibrated row by row: NNCF averages the ranges of what it is given at once, and those of eight rows together are wider
(ResNet-50 on 64 rows: cosine 0.9837 and 0.9843, random weights).

By default the preset is NNCF's own choice: activations around zero where there is no attention. MobileNetV2 took 2 %
less time with it, at a cosine of 0.9638 instead of 0.9665 (random weights, NNCF 3.4, OpenVINO 2026.4). A search tries
zero points where the default drifts too far.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.golden import whole_batches
from optimize.methods import Method, Task
from optimize.quantizers import nncf_statistics
from optimize.quantizers.onnx_tools.graph import check_names
from optimize.runtimes.openvino import FILE, leave_telemetry_out
from optimize.sections import Section

reads = "openvino"
makes = "openvino"


class Options(Section):
    """Of NNCF's post-training quantization."""

    symmetric: bool | None = None
    """Activations around zero as well; else those that need it have a zero point. By default where there is no
    attention in the graph."""
    transformer: bool | None = None
    """Keep in float what transformers are sensitive to. By default where there is attention in the graph."""
    bias_correction: Literal["fast", "accurate"] = "fast"
    exclude: tuple[str, ...] = ()
    """Friendly names of operations that stay in float."""


REMEDIES = ({"symmetric": False}, {"symmetric": False, "bias_correction": "accurate"})
method = Method("static", precision="int8", calibrated=True, options=Options, remedies=REMEDIES)
libraries = ("openvino", "nncf")
BATCH = 1


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    leave_telemetry_out()
    import nncf
    import openvino

    nncf_statistics.hold_down()
    source = openvino.Core().read_model(model.path / FILE)
    options: Options = task.options
    check_names(options.exclude, [node.get_friendly_name() for node in source.get_ops()], "operation", "exclude")
    batches = whole_batches(model.signature, task.rows, BATCH)
    presets = nncf.QuantizationPreset
    transformer = has_attention(source) if options.transformer is None else options.transformer
    symmetric = not transformer if options.symmetric is None else options.symmetric
    quantized = nncf.quantize(
        source, nncf.Dataset(batches), subset_size=len(batches),
        preset=presets.PERFORMANCE if symmetric else presets.MIXED,
        model_type=nncf.ModelType.TRANSFORMER if transformer else None,
        fast_bias_correction=options.bias_correction == "fast",
        ignored_scope=nncf.IgnoredScope(names=list(options.exclude)),
    )  # fmt: skip
    count = _count(quantized, "FakeQuantize")
    if not count:
        raise Unsupported("NNCF found no operation of the graph that OpenVINO computes in int8")
    openvino.save_model(quantized, output / FILE, compress_to_fp16=False)
    return Made(f"NNCF post-training quantization on {len(task.rows)} rows, {count} tensors in int8")


def has_attention(model: Any) -> bool:
    """A softmax between two matrix products: NNCF then keeps what transformers are sensitive to in float."""
    if _count(model, "ScaledDotProductAttention"):
        return True
    softmaxes = [node for node in model.get_ops() if node.get_type_name() == "Softmax"]
    readers = [reader.get_node() for node in softmaxes for reader in node.output(0).get_target_inputs()]
    return any(reader.get_type_name() == "MatMul" for reader in readers)


def _count(model: Any, kind: str) -> int:
    return sum(node.get_type_name() == kind for node in model.get_ops())
