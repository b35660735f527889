"""`config.pbtxt`, in which Triton is told what a model takes and gives: written, and read back for the check.

https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optimize.errors import Unsupported, UserError
from optimize.signature import Signature, TensorSpec

PLATFORMS = {
    "onnx": 'backend: "onnxruntime"',
    "torchscript": 'backend: "pytorch"\nplatform: "pytorch_libtorch"',
    "saved_model": 'backend: "tensorflow"\nplatform: "tensorflow_savedmodel"',
    "openvino": 'backend: "openvino"',
}
"""By format, the backend that reads it."""
THREADS = {
    "onnx": ("intra_op_thread_count", "inter_op_thread_count"),
    "torchscript": ("INTRA_OP_THREAD_COUNT", "INTER_OP_THREAD_COUNT"),
    "saved_model": ("TF_NUM_INTRA_THREADS", "TF_NUM_INTER_THREADS"),
    "openvino": ("CPU_THREADS_NUM",),
}
"""Each backend's own words: first the threads within an operator, then those of operators beside each other."""
TYPES = {
    "bool": "TYPE_BOOL", "uint8": "TYPE_UINT8", "uint16": "TYPE_UINT16", "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64", "int8": "TYPE_INT8", "int16": "TYPE_INT16", "int32": "TYPE_INT32", "int64": "TYPE_INT64",
    "float16": "TYPE_FP16", "float32": "TYPE_FP32", "float64": "TYPE_FP64", "str": "TYPE_STRING",
}  # fmt: skip


def tensor_names(specs: Sequence[TensorSpec], format: str) -> list[str]:
    """A TorchScript has no names for its outputs: Triton's PyTorch backend wants NAME__POSITION."""
    return [f"{spec.name}__{index}" if format == "torchscript" else spec.name for index, spec in enumerate(specs)]


def write_config(name: str, format: str, signature: Signature, threads: int, sizes: Mapping[str, int]) -> str:
    """Text format of inference.ModelConfig. Raises Unsupported for a dtype that Triton has not."""
    parts = [
        f'name: "{name}"',
        PLATFORMS[format],
        "# Every dimension stands in dims, the batch too.\nmax_batch_size: 0",
    ]
    for role, specs in (("input", signature.inputs), ("output", signature.outputs)):
        named = zip(tensor_names(specs, format), specs, strict=True)
        tensors = ",\n".join(_tensor(label, spec) for label, spec in named)
        parts += [f"{role} [\n{tensors}\n]"]
    parts += ["instance_group [ { kind: KIND_CPU, count: 1 } ]"]
    parts += [_parameter(key, threads if index == 0 else 1) for index, key in enumerate(THREADS[format])]
    parts += _warm_up(format, signature.inputs, sizes)
    return "\n".join(parts) + "\n"


def _tensor(label: str, spec: TensorSpec) -> str:
    dims = [-1 if isinstance(d, str) else d for d in spec.shape]
    # Triton has no tensor without dimensions: one is added for the request, and taken off for the model.
    shape = f"dims: {dims}" if dims else "dims: [ 1 ], reshape: { shape: [ ] }"
    return f'  {{ name: "{label}", data_type: {_type(spec)}, {shape} }}'


def _type(spec: TensorSpec) -> str:
    if spec.dtype not in TYPES:
        raise Unsupported(f"{spec.name} is {spec.dtype}, which a config.pbtxt of Triton's cannot name")
    return TYPES[spec.dtype]


def _parameter(key: str, value: int) -> str:
    return f'parameters {{ key: "{key}", value: {{ string_value: "{value}" }} }}'


def _warm_up(format: str, specs: Sequence[TensorSpec], sizes: Mapping[str, int]) -> list[str]:
    """One request of zeros; none where a size is not known."""
    if not {d for spec in specs for d in spec.shape if isinstance(d, str)} <= sizes.keys():
        return []
    inputs = []
    for label, spec in zip(tensor_names(specs, format), specs, strict=True):
        dims = [sizes[d] if isinstance(d, str) else d for d in spec.shape] or [1]
        value = f"data_type: {_type(spec)}, dims: {dims}, zero_data: true"
        inputs.append(f'  inputs {{ key: "{label}", value: {{ {value} }} }}')
    return ["model_warmup [ {\n" + "\n".join(['  name: "zeros", batch_size: 1', *inputs]) + "\n} ]"]


TOKEN = re.compile(r'\s+|#[^\n]*|(?P<text>"[^"]*"|[A-Za-z0-9_.+-]+)|(?P<mark>[{}\[\]:,;])')

Message = dict[str, list[Any]]


def read_config(text: str) -> Message:
    """Every field with the list of its values: texts, or messages. Raises UserError for what is not text format."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise UserError(f"config.pbtxt cannot be read at {text[at : at + 20]!r}")
        tokens += [token for token in (found["text"], found["mark"]) if token]
        at = found.end()
    stream = iter([*tokens, "}"])
    try:
        message = _message(stream)
    except StopIteration:
        raise UserError("config.pbtxt ends before its brackets are closed") from None
    if next(stream, None) is not None:
        raise UserError("config.pbtxt closes a bracket that it has not opened")
    return message


def _message(tokens: Iterator[str]) -> Message:
    fields: Message = {}
    for name in tokens:
        if name == "}":
            return fields
        if name in ",;":
            continue
        token = next(tokens)
        if token == ":":
            token = next(tokens)
        fields.setdefault(name, []).extend(_values(token, tokens))
    raise UserError("config.pbtxt ends before its brackets are closed")


def _values(token: str, tokens: Iterator[str]) -> list[Any]:
    if token == "{":
        return [_message(tokens)]
    if token != "[":
        return [token.strip('"')]
    values: list[Any] = []
    for token in tokens:
        if token == "]":
            break
        if token != ",":
            values += _values(token, tokens)
    return values


def config_problems(config: Message, format: str, signature: Signature) -> list[str]:
    """In words, where the configuration does not say what the model's signature does."""
    problems = []
    for role, specs in (("input", signature.inputs), ("output", signature.outputs)):
        told = {tensor["name"][0]: tensor for tensor in config.get(role, [])}
        for label, spec in zip(tensor_names(specs, format), specs, strict=True):
            tensor = told.pop(label, None)
            if tensor is None:
                problems.append(f"{role} {label} is not in config.pbtxt")
            elif (tensor["data_type"][0], _dims(tensor)) != (_type(spec), [str(d) for d in _numbers(spec)]):
                problems.append(f"{role} {label} is {tensor['data_type'][0]} {_dims(tensor)}; the model has {spec}")
        problems += [f"{role} {label} is in config.pbtxt, and the model has none" for label in told]
    return problems


def _dims(tensor: Message) -> list[str]:
    return [] if "reshape" in tensor else list(tensor["dims"])


def _numbers(spec: TensorSpec) -> list[int]:
    return [-1 if isinstance(d, str) else d for d in spec.shape]
