"""From the files of an ATen graph to the files of a SavedModel."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import tensorflow as tf

from optimize.arrays import Array
from optimize.converters.aten_graph_to_saved_model.interpreter import check_coverage, interpret, resolve
from optimize.converters.aten_graph_to_saved_model.values import Value, Weight, WeightStore, permuted_name
from optimize.converters.pytorch_to_aten_graph import METHODS
from optimize.converters.tensorflow_functions import tensor_specs
from optimize.errors import ToolError
from optimize.signature import Signature

# Below this, a weight is a constant of the graph, which TensorFlow can fold and read sizes and indices from.
_CONSTANT_BYTES = 1024

_DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F32": np.float32,
    "F64": np.float64,
}


class Variables:
    """A `WeightStore` of variables at the model's own precision."""

    def __init__(self) -> None:
        self.tracked: dict[str, Any] = {}
        self._placed: dict[str, tuple[list[int], str]] = {}
        """Weight to the order of axes in which it was placed first, and under which name."""

    def place(self, name: str, array: Array, channel: int | None) -> Any:
        return tf.constant(array) if array.nbytes <= _CONSTANT_BYTES else self.variable(name, array)

    def variable(self, name: str, array: Array) -> Any:
        """However small: TensorFlow computes nothing beforehand with it."""
        if name not in self.tracked:
            with tf.init_scope():
                self.tracked[name] = tf.Variable(np.ascontiguousarray(array), trainable=False, name=safe_name(name))
        return tf.convert_to_tensor(self.tracked[name])

    def rows(self, name: str, array: Array, indices: Any) -> Any:
        twin = self.twin(name, range(array.ndim))
        return tf.gather(self.place(name, array, 0) if twin is None else twin, indices)

    def twin(self, name: str, permutation: Sequence[int]) -> Any:
        wanted = list(permutation)
        first, stored = self._placed.setdefault(name, (wanted, permuted_name(name, wanted)))
        if first == wanted or stored not in self.tracked:
            return None
        # Grappler tells a product of a transposition instead of carrying it out.
        return tf.transpose(tf.convert_to_tensor(self.tracked[stored]), [first.index(axis) for axis in wanted])


def save(folder: Path, signature: Signature, store: Variables, output: Path) -> None:
    """Write the SavedModel of `graph.json` and `weights.safetensors` in `folder` into `output`.

    Raises `Unsupported` with all operators that have no rule, before any other work.
    """
    document = _read_document(folder)
    weights = read_weights(folder / "weights.safetensors")
    further = {}
    for name, method in signature.methods.items():
        place = folder / METHODS / name
        own = _shared(_read_document(place), read_weights(place / "weights.safetensors"), weights, name)
        further[name] = _signed(_function(*own, store), method)
    save_function(_function(document, weights, store), signature, store, output, further)


def _read_document(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "graph.json").read_text())
    check_coverage(document["graph"])
    return document


def _shared(
    document: dict[str, Any], own: Mapping[str, Array], weights: Mapping[str, Array], method: str
) -> tuple[dict[str, Any], Mapping[str, Array]]:
    """A method's weights under the names they have in the main graph; another array of such a name, a constant that
    torch.export numbered, gets one of its own."""
    names = {
        name: name if name not in weights or np.array_equal(weights[name], array) else f"{method}/{name}"
        for name, array in own.items()
    }
    renamed = {value: names[name] for value, name in document["weights"].items()}
    return {**document, "weights": renamed}, {names[name]: array for name, array in own.items()}


def save_function(
    serve: Callable[..., Sequence[Any]], signature: Signature, store: Variables, output: Path,
    further: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """`serve` takes the signature's inputs by position and gives its outputs, as tensors or `Value`s, in order."""
    function = _signed(serve, signature)
    functions = {"serving_default": function, **(further or {})}
    signatures = {name: one.get_concrete_function() for name, one in functions.items()}
    module = tf.Module()
    module.weights, module.serve = store.tracked, functions
    tf.saved_model.save(module, str(output), signatures=signatures)


def _signed(serve: Callable[..., Sequence[Any]], signature: Signature) -> Any:
    """With tensors by the signature's names."""

    def named(*inputs: Any) -> dict[str, Any]:
        outputs = serve(*inputs)
        return {name: _output(value) for name, value in zip(signature.output_names, outputs, strict=True)}

    return tf.function(named, input_signature=tensor_specs(signature.inputs), autograph=False)


def _function(document: Mapping[str, Any], weights: Mapping[str, Array], store: WeightStore) -> Any:
    def serve(*inputs: Any) -> list[Any]:
        environment: dict[str, Any] = {
            value: Weight(name, weights[name], store) for value, name in document["weights"].items()
        }
        environment |= {name: Value(tensor) for name, tensor in zip(document["inputs"], inputs, strict=True)}
        interpret({**document["graph"], "outputs": []}, environment)
        return [resolve(output, environment) for output in document["outputs"]]

    return serve


def _output(value: Any) -> Any:
    # A signature may not give back its own input, nor one tensor under two names.
    return tf.identity(value.tensor if isinstance(value, Value) else value)


def safe_name(name: str) -> str:
    """A name that TensorFlow accepts for an operation."""
    return "".join(c if c.isalnum() or c in "_./-" else "_" for c in name).lstrip("_./-") or "weight"


def read_weights(path: Path) -> dict[str, Array]:
    """The arrays of a safetensors file, mapped from disk and not read until used.

    https://huggingface.co/docs/safetensors: eight bytes of the header's length, the header in JSON, the data.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    if all(entry["data_offsets"][0] == entry["data_offsets"][1] for entry in header.values()):
        return {name: np.zeros(entry["shape"], _dtype(entry)) for name, entry in header.items()}
    data = np.memmap(path, np.uint8, "r", 8 + length)
    return {name: _array(data, entry) for name, entry in header.items()}


def _array(data: Array, entry: Mapping[str, Any]) -> Array:
    start, end = entry["data_offsets"]
    return data[start:end].view(_dtype(entry)).reshape(entry["shape"])


def _dtype(entry: Mapping[str, Any]) -> Any:
    try:
        return np.dtype(_DTYPES[entry["dtype"]])
    except KeyError as error:
        raise ToolError(f"weights of type {entry['dtype']} have no NumPy type here") from error
