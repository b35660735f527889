"""Dynamic int8 by Optimum's quantizer, with its preset for the target's instruction set.

It quantizes every operator that ONNX Runtime can, convolutions and embeddings among them, where `onnx_dynamic` leaves
in float what int8 does not make faster: what it comes to is measured like anything else.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.methods import Method, Task
from optimize.quantizers.onnx_tools.graph import FILE, check_names, count_nodes
from optimize.quantizers.onnx_tools.qdq import reduced
from optimize.sections import Section

INTEGER = ("MatMulInteger", "ConvInteger", "DynamicQuantizeLSTM", "QAttention", "QEmbedLayerNormalization")


class Options(Section):
    """Of Optimum's quantizer."""

    preset: Literal["avx2", "avx512", "avx512_vnni", "arm64"] | None = None
    """By default the one of the target's instruction sets."""
    per_channel: bool = True
    """One scale per output channel of the weights."""
    exclude: tuple[str, ...] = ()
    """Names of nodes that stay in float."""


reads = "onnx"
makes = "onnx"
method = Method("optimum", precision="int8", options=Options, targeted=True)
libraries = ("optimum-onnx", "optimum", "transformers", "onnx", "onnxruntime")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    import onnx
    from optimum.onnxruntime import ORTQuantizer

    source = model.path / FILE
    names = [node.name for node in onnx.load(source, load_external_data=False).graph.node]
    check_names(task.options.exclude, names, "node", "exclude")
    preset = task.options.preset or _preset(task)
    beside = any(model.path.glob("*.data"))
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        ORTQuantizer(source).quantize(
            _configuration(preset, task), folder, file_suffix=None, use_external_data_format=beside
        )
        # Beside it lie its settings, and a model's configuration that may be guessed from the folder's name.
        for file in Path(folder).glob(f"{FILE}*"):
            file.rename(output / file.name)
    count = count_nodes(output / FILE, INTEGER)
    if not count:
        raise Unsupported("Optimum's quantizer finds no operator with constant weights that it can quantize")
    return Made(f"Optimum's ORTQuantizer, preset {preset}, dynamic, {count} integer operators")


def _preset(task: Task) -> str:
    if task.architecture == "aarch64":
        return "arm64"
    if "avx512" not in task.isa:
        return "avx2"
    return "avx512_vnni" if "vnni" in task.isa else "avx512"


def _configuration(preset: str, task: Task) -> Any:
    from optimum.onnxruntime import AutoQuantizationConfig

    options: Options = task.options
    settings: dict[str, Any] = {"per_channel": options.per_channel, "nodes_to_exclude": list(options.exclude)}
    if preset == "avx512":  # That of AVX2 has weights in uint8, whose products do not saturate.
        settings["reduce_range"] = reduced(None, task)
    return getattr(AutoQuantizationConfig, preset)(is_static=False, **settings)
