"""The client's side: how a request is written, and an answer read, in every form a bundle may be asked in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from optimize.arrays import Array, Arrays
from optimize.signature import Signature, TensorSpec

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
PAST_HOOKS = "hooks=off"
"""A parameter of the content type: the user's own hooks are passed by, so that the golden can be asked."""
BOOT_ENVIRONMENT = {"OPTIMIZE_HOOKS": "optional", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
"""Without the first, a handler of ours does not heed the parameter."""


@dataclass(frozen=True)
class Form:
    """A way to write a request. `write` takes (inputs, signature)."""

    content_type: str
    write: Callable[[Arrays, Signature], bytes]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _lists(inputs: Arrays) -> dict[str, object]:
    return {name: array.tolist() for name, array in inputs.items()}


def _instances(inputs: Arrays, signature: Signature) -> bytes:
    lists = _lists(inputs)
    if len(lists) == 1:
        return _json({"instances": next(iter(lists.values()))})
    rows = zip(*(array.tolist() for array in inputs.values()), strict=True)
    return _json({"instances": [dict(zip(inputs, row, strict=True)) for row in rows]})


def _inputs(inputs: Arrays, signature: Signature) -> bytes:
    lists = _lists(inputs)
    return _json({"inputs": next(iter(lists.values())) if len(lists) == 1 else lists})


def _csv(inputs: Arrays, signature: Signature) -> bytes:
    array = inputs[signature.inputs[0].name]
    rows = array.reshape(len(array), -1).astype(np.int64 if array.dtype.kind == "b" else array.dtype)
    return "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()


def _npy(inputs: Arrays, signature: Signature) -> bytes:
    stream = io.BytesIO()
    np.save(stream, inputs[signature.inputs[0].name], allow_pickle=False)
    return stream.getvalue()


def _npz(inputs: Arrays, signature: Signature) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **inputs)  # type: ignore[arg-type]
    return stream.getvalue()


FORMS: Mapping[str, Form] = {
    "npy": Form(NPY, _npy),
    "npz": Form(NPZ, _npz),
    "json list": Form(JSON, lambda inputs, signature: _json(_lists(inputs)[signature.inputs[0].name])),
    "json instances": Form(JSON, _instances),
    "json inputs": Form(JSON, _inputs),
    "json named": Form(JSON, lambda inputs, signature: _json(_lists(inputs))),
    "csv": Form(CSV, _csv),
}


def forms_for(signature: Signature) -> tuple[str, ...]:
    """Those that can carry these inputs; each row of all inputs together is one of `instances`."""
    single = len(signature.inputs) == 1
    batched = all(spec.shape and spec.shape[0] == signature.inputs[0].shape[0] for spec in signature.inputs)
    numbers = all(spec.dtype != "str" for spec in signature.inputs)
    unfolds = single and batched and numbers and sum(isinstance(d, str) for d in signature.inputs[0].shape[1:]) <= 1
    fits = {"npy": single, "json list": single, "json instances": batched, "csv": unfolds}
    return tuple(name for name in FORMS if fits.get(name, True))


def accept_for(form: str, signature: Signature) -> str:
    """The content type to ask the answer in: that of the request, where it can carry the outputs."""
    outputs = signature.outputs
    kind = FORMS[form].content_type if outputs else JSON
    if kind == CSV and len(outputs) == 1 and not any(isinstance(d, str) for d in outputs[0].shape[1:]):
        return CSV
    if kind in (NPY, NPZ):
        return NPY if len(outputs) == 1 else NPZ
    return JSON


def read_answer(body: bytes, content_type: str, signature: Signature) -> Arrays:
    """Arrays by name. Raises ValueError for an answer that is not what its content type says.

    Where the signature has no outputs (a tar of another tool), there is one, named `output`.
    """
    outputs = signature.outputs or (TensorSpec("output", "float64", ()),)
    kind = content_type.partition(";")[0].strip()
    if kind == NPZ:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    if kind == NPY:
        return {outputs[0].name: _as_signed(np.load(io.BytesIO(body), allow_pickle=False), outputs[0])}
    if kind == CSV:
        return {outputs[0].name: _from_csv(body, outputs[0])}
    value = json.loads(body)
    named = value if isinstance(value, dict) else {outputs[0].name: value}
    if not signature.outputs:
        return {name: np.asarray(item) for name, item in named.items()}
    return {spec.name: _from_list(named[spec.name], spec) for spec in outputs if spec.name in named}


def _as_signed(array: Array, spec: TensorSpec) -> Array:
    """The PyTorch container's own handler answers float64, whatever the model gives."""
    return array.astype(spec.dtype) if array.dtype == np.float64 and np.dtype(spec.dtype).kind == "f" else array


def _from_list(value: object, spec: TensorSpec) -> Array:
    """JSON has no NaN: null becomes one again."""
    if np.dtype(spec.dtype).kind == "f":
        return np.asarray(np.asarray(value, dtype=object), dtype=np.float64).astype(spec.dtype)
    return np.asarray(value, dtype=spec.dtype)


def _from_csv(body: bytes, spec: TensorSpec) -> Array:
    rows = [[float(cell) for cell in line.split(",")] for line in body.decode().splitlines()]
    return np.asarray(rows, np.float64).reshape(len(rows), *spec.shape[1:]).astype(spec.dtype)
