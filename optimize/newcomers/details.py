"""What only the model's own library can tell: signature, parameters, operators. Runs in a process of its own:
`python -m optimize.newcomers.details KIND PATH` prints one JSON object.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from optimize.newcomers.asking import answer, ask


def details(kind: str, path: Path) -> Mapping[str, Any]:
    """`signature`, `parameters`, `operators`, `facts`, or `problem` in words; never raises for what is in the model."""
    return ask(__name__, kind, str(path)) if kind in READERS else {}


def _refusal_of_source(kind: str, path: Path) -> list[str]:
    """Why a run would end at its source: nothing could be made of it by any converter."""
    from optimize.errors import UserError
    from optimize.newcomers.opening import open_source

    try:
        open_source(kind, path)
    except UserError as error:
        return [f"a run would refuse it: {error.message}"]
    except ImportError:
        pass  # Which library is missing stands with what can be made of it.
    return []


def _onnx(path: Path) -> dict[str, Any]:
    import onnx

    model = onnx.load(path, load_external_data=False)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [_onnx_value(onnx, value) for value in model.graph.input if value.name not in weights]
    opsets = ", ".join(f"{one.domain or 'ai.onnx'} {one.version}" for one in model.opset_import)
    producer = f"written by {model.producer_name} {model.producer_version}".strip() if model.producer_name else ""
    refused = _refusal_of_source("onnx", path)
    return {
        "inputs": inputs,
        "outputs": [_onnx_value(onnx, value) for value in model.graph.output],
        "parameters": sum(_product(tensor.dims) for tensor in model.graph.initializer),
        "operators": _counted(node.op_type for node in model.graph.node),
        "facts": [f"opset {opsets}", f"IR version {model.ir_version}", *([producer] if producer else []), *refused],
    }


def _onnx_value(onnx: Any, value: Any) -> dict[str, Any]:
    tensor = value.type.tensor_type
    text = tensor.elem_type == onnx.TensorProto.STRING
    dtype = "str" if text else str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    shape = [d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim]
    return {"name": value.name, "dtype": dtype, "shape": [_dimension(d, i) for i, d in enumerate(shape)]}


def _dimension(value: Any, axis: int) -> int | str:
    if isinstance(value, int) and value > 0:
        return value
    if isinstance(value, str) and value.isidentifier():
        return value
    return "batch" if axis == 0 else f"dim_{axis}"


CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model")
"""Where training loops put the weights in what they save."""


def _state_dict(path: Path) -> dict[str, Any]:
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    key = next((name for name in CHECKPOINT_KEYS if isinstance(state.get(name), Mapping)), "")
    inner = state[key] if key else state
    shapes = {name: list(value.shape) for name, value in inner.items() if hasattr(value, "shape")}
    facts = [f"{len(shapes)} tensors{f' under {key!r}' if key else ''}"]
    return {"parameters": sum(map(_product, shapes.values())), "weights": shapes, "weights_key": key, "facts": facts}


def _torchscript(path: Path) -> dict[str, Any]:
    import torch

    module = torch.jit.load(path, map_location="cpu")
    graph = module.inlined_graph
    inputs = [value.debugName().split(".")[0] for value in list(graph.inputs())[1:]]
    return {
        "parameters": sum(p.numel() for p in module.parameters()),
        "operators": _counted(node.kind() for node in graph.nodes() if not node.kind().startswith("prim::")),
        "facts": [f"forward takes {', '.join(inputs)}; TorchScript keeps neither dtypes nor shapes"],
    }


def _exported_program(path: Path) -> dict[str, Any]:
    from optimize.sources.torch_archives import check_kind, executes

    check_kind(path, "exported_program")
    executed = executes(path)
    if executed:
        return {"facts": [f"not opened: loading it would execute {', '.join(executed)}"]}
    import torch

    program = torch.export.load(path)
    tensors = [
        node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs and "val" in node.meta
    ]
    return {
        "inputs": [
            {
                "name": node.name,
                "dtype": str(node.meta["val"].dtype).removeprefix("torch."),
                "shape": [
                    _dimension(d if isinstance(d, int) else str(d), i) for i, d in enumerate(node.meta["val"].shape)
                ],
            }
            for node in tensors
        ],
        "parameters": sum(p.numel() for p in program.state_dict.values()),
        "operators": _counted(str(node.target) for node in program.graph.nodes if node.op == "call_function"),
    }


def _saved_model(path: Path) -> dict[str, Any]:
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.dtypes import as_dtype

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((path / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0]
    signatures = {k: v for k, v in graph.signature_def.items() if not k.startswith("__")}
    name, signature = next(iter(sorted(signatures.items(), key=lambda kv: kv[0] != "serving_default")), ("", None))

    def specs(values: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": key,
                "dtype": as_dtype(value.dtype).name,
                "shape": [_dimension(d.size, i) for i, d in enumerate(value.tensor_shape.dim)],
            }
            for key, value in sorted(values.items())
        ]

    functions = graph.graph_def.library.function
    nodes = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
    return {
        "inputs": specs(signature.inputs) if signature else [],
        "outputs": specs(signature.outputs) if signature else [],
        "operators": _counted(node.op for node in nodes),
        "facts": [f"signatures {', '.join(sorted(signatures)) or 'none'}; shown: {name or 'none'}"],
    }


def _opened(kind: str, path: Path) -> dict[str, Any]:
    from optimize.newcomers.opening import opened

    return opened(kind, path)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _product(shape: Iterable[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


READERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "onnx": _onnx,
    "pytorch": _state_dict,
    "torchscript": _torchscript,
    "exported_program": _exported_program,
    "saved_model": _saved_model,
    **{kind: partial(_opened, kind) for kind in ("keras", "huggingface", "sklearn", "xgboost", "lightgbm")},
}


if __name__ == "__main__":
    sys.exit(answer(lambda: READERS[sys.argv[1]](Path(sys.argv[2]))))
