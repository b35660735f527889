"""ONNX graphs as ONNX Runtime's quantizers want them, and what is in them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from optimize.artifact import Artifact
from optimize.errors import Unsupported, UserError
from optimize.methods import OPTIONS
from optimize.quantizers.onnx_tools.states import drop_zero_states

FILE = "model.onnx"
LEAST_OPSET = 13
"""The first that has a scale per channel."""


def prepare(path: Path, output: Path) -> Path:
    """Shapes inferred, constants folded, patterns fused: a file in `output`, for the quantizer to take away."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = output / "prepared.onnx"
    try:
        quant_pre_process(path, prepared, skip_symbolic_shape=False)
    except Exception as error:  # noqa: BLE001
        # Symbolic shape inference gives up on some transformers, in many ways; the rest does without it.
        print(f"symbolic shape inference failed, prepared without it: {error}")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
    drop_zero_states(prepared)
    return prepared


def load_prepared(model: Artifact, output: Path) -> Any:
    """In memory; nothing is left in `output`. Every node has a name."""
    import onnx

    prepared = prepare(_recent(model.path / FILE, output), output)
    loaded = onnx.load(prepared)
    for left in output.iterdir():
        left.unlink()
    for index, node in enumerate(loaded.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return loaded


def _recent(path: Path, output: Path) -> Path:
    """The graph in an operator set that has what the quantizers write."""
    import onnx

    header = onnx.load(path, load_external_data=False)
    opset = max(one.version for one in header.opset_import if one.domain in ("", "ai.onnx"))
    if opset >= LEAST_OPSET:
        return path
    try:
        converted = onnx.version_converter.convert_version(onnx.load(path), LEAST_OPSET)
    except Exception as error:
        # The converter raises RuntimeError, or whatever the adapter of one operator meets.
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unsupported(f"the graph is of opset {opset}, and cannot be brought to {LEAST_OPSET}: {first}") from error
    onnx.save(converted, output / "converted.onnx")
    return output / "converted.onnx"


def save(graph: Any, model: Artifact, output: Path) -> None:
    """With the weights in a file beside it where the model that was read has them so."""
    import onnx

    beside = any(model.path.glob("*.data"))
    onnx.save_model(graph, output / FILE, save_as_external_data=beside, location=f"{FILE}.data")


def constants(graph: Any) -> set[str]:
    """Names of tensors that are the same at every run."""
    found = {tensor.name for tensor in graph.initializer}
    return found | {name for node in graph.node if node.op_type == "Constant" for name in node.output}


def weighted(graph: Any, operators: Sequence[str]) -> list[Any]:
    """Nodes of these kinds whose second input is constant."""
    known = constants(graph)
    return [n for n in graph.node if n.op_type in operators and len(n.input) > 1 and n.input[1] in known]


def check_names(names: Iterable[str], known: Sequence[str], what: str, option: str) -> None:
    """Raises UserError, with the nearest, for a name that is not among those there are."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, cutoff=0.4) or known[:5]
            raise UserError(
                f"{option}: the model has no {what} {name!r}; the nearest are {', '.join(near) or 'none'}", OPTIONS
            )


def count_nodes(path: Path, kinds: Sequence[str]) -> int:
    import onnx

    return sum(node.op_type in kinds for node in onnx.load(path, load_external_data=False).graph.node)


def weight_count(graph: Any, nodes: Sequence[Any]) -> int:
    """Numbers in the weights of these nodes."""
    import math

    sizes = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
    return sum(sizes.get(node.input[1], 0) for node in nodes if len(node.input) > 1)
