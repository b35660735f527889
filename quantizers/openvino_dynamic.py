"""Weight-only int8 in OpenVINO by NNCF: weights in int8 per channel, computed in floating point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimize.artifact import Artifact, Made
from optimize.errors import Unsupported
from optimize.methods import Method, Task
from optimize.runtimes.openvino import FILE, leave_telemetry_out

reads = "openvino"
makes = "openvino"
method = Method("dynamic", precision="int8")
libraries = ("openvino", "nncf")


def quantize(model: Artifact, task: Task, output: Path) -> Made:
    leave_telemetry_out()
    import nncf
    import openvino

    source = openvino.Core().read_model(model.path / FILE)
    compressed = nncf.compress_weights(source, mode=nncf.CompressWeightsMode.INT8_SYM)
    count = _count_integer_weights(compressed)
    if not count:
        raise Unsupported("NNCF found no weights of matrix products, convolutions or embeddings to compress")
    openvino.save_model(compressed, output / FILE, compress_to_fp16=False)
    return Made(f"NNCF compress_weights, symmetric int8 per channel, {count} weights; computed in floating point")


def _count_integer_weights(model: Any) -> int:
    return sum(
        node.get_type_name() == "Constant" and node.get_element_type().get_type_name() == "i8"
        for node in model.get_ops()
    )
