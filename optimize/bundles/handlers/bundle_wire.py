"""What goes over the wire: JSON, CSV, NPY and NPZ on one side, NumPy arrays by name on the other.

Requests are checked against the signature, so that a wrong one is answered with a 4xx and a sentence. Answers:

* JSON: the nested list of the one output, or `{"name": list, ...}` where there are several; JSON has no NaN and no
  infinity, so they become null;
* CSV: one line for each row of the one output; NPY: the one output; NPZ: every output by name.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

try:
    from sagemaker_inference.content_types import UTF8_TYPES
    from sagemaker_inference.errors import BaseInferenceToolkitError as ToolkitError

    # The toolkit would decode JSON and CSV itself, and answer 500 where a body is not UTF-8: a list of its own.
    UTF8_TYPES.clear()
except ImportError:  # Outside a serving container the functions can still be called.

    class ToolkitError(Exception):  # type: ignore[no-redef]
        def __init__(self, status_code: int, message: str, phrase: str) -> None:
            super().__init__(message)
            self.status_code, self.message, self.phrase = status_code, message, phrase


Arrays = dict[str, "np.ndarray[Any, Any]"]

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
ALIASES = {"text/json": JSON, "application/csv": CSV, "application/npy": NPY, "application/npz": NPZ}
MOST_BYTES = 256 * 2**20
"""Arrays of one request together; a small NPZ can unpack to anything."""


class Refused(ToolkitError):
    """The request is at fault: the toolkit turns `status_code` into the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        phrases = {400: "Bad Request", 406: "Not Acceptable", 413: "Payload Too Large", 415: "Unsupported Media Type"}
        super().__init__(status, message, phrases[status])

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True)
class Tensor:
    """An input or output; a dimension is a size or a name."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Settings:
    """`signature.json`.

    `threads` are the target's cores, `sizes` those of the named dimensions at which the model is warmed up, `options`
    what the runtime is told besides its threads, and `hooks` the module of the user's own functions.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    threads: int
    sizes: dict[str, int]
    options: dict[str, Any]
    hooks: str = ""
    quantization: str = "none"


def read_settings(path: Path) -> Settings:
    value = json.loads(path.read_text(encoding="utf-8"))
    inputs, outputs = (
        tuple(Tensor(item["name"], item["dtype"], tuple(item["shape"])) for item in value[role])
        for role in ("inputs", "outputs")
    )
    return Settings(
        inputs,
        outputs,
        int(value["threads"]),
        dict(value["sizes"]),
        dict(value["options"]),
        str(value["hooks"]),
        value["quantization"],
    )


def warm_up_inputs(settings: Settings) -> Arrays | None:
    """Zeros of the sizes in the settings; None where a size is not known."""
    if not {d for spec in settings.inputs for d in spec.shape if isinstance(d, str)} <= settings.sizes.keys():
        return None
    shapes = {s.name: [settings.sizes[d] if isinstance(d, str) else d for d in s.shape] for s in settings.inputs}
    return {spec.name: np.zeros(shapes[spec.name], spec.dtype) for spec in settings.inputs}


# Requests


def decode(body: bytes | str, content_type: str | None, settings: Settings) -> Arrays:
    """Arrays by name, of the signature's dtypes and shapes. Raises Refused."""
    kind = _media_type(content_type or JSON)
    raw = body.encode() if isinstance(body, str) else bytes(body)
    if not raw:
        raise Refused(f"the request is empty; expected {_expected(settings)}")
    readers = {JSON: _read_json, CSV: _read_csv, NPY: _read_npy, NPZ: _read_npz}
    if kind not in readers:
        raise Refused(f"content type {kind!r} is not read here; send one of {', '.join(readers)}", 415)
    arrays = readers[kind](raw, settings)
    _check(arrays, settings)
    return arrays


def fit(given: Any, settings: Settings) -> Arrays:
    """Arrays that were made and not sent, checked against the signature like those of a request. Raises Refused."""
    _check_names(list(given) if isinstance(given, dict) else [], [spec.name for spec in settings.inputs])
    arrays = {spec.name: _array(given[spec.name], spec) for spec in settings.inputs}
    _check(arrays, settings)
    return arrays


def _media_type(header: str) -> str:
    """Without parameters such as `; charset=utf-8`."""
    kind = header.partition(";")[0].strip().lower()
    return ALIASES.get(kind, kind)


def _expected(settings: Settings) -> str:
    return ", ".join(map(str, settings.inputs))


def _read_json(raw: bytes, settings: Settings) -> Arrays:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}") from None
    columns = _columns(value, settings)
    return {spec.name: _array(columns[spec.name], spec) for spec in settings.inputs}


def _columns(value: Any, settings: Settings) -> dict[str, Any]:
    """Nested lists by input name, out of any of the four ways to write them."""
    names = [spec.name for spec in settings.inputs]
    if isinstance(value, dict) and not set(names) & value.keys():
        if "instances" in value:
            return _rows_to_columns(value["instances"], names)
        if "inputs" in value:
            return _columns(value["inputs"], settings)
    if isinstance(value, dict):
        _check_names(list(value), names)
        return value
    if len(names) == 1:
        return {names[0]: value}
    raise Refused(f"the model has {len(names)} inputs; send {{{', '.join(f'{name!r}: ...' for name in names)}}}")


def _rows_to_columns(rows: Any, names: list[str]) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise Refused("'instances' is to be a list of at least one row")
    if not isinstance(rows[0], dict):
        if len(names) == 1:
            return {names[0]: rows}
        raise Refused(f"each of 'instances' is to be an object with {', '.join(names)}")
    for row in rows:
        _check_names(list(row) if isinstance(row, dict) else [], names)
    return {name: [row[name] for row in rows] for name in names}


def _check_names(given: list[str], names: list[str]) -> None:
    if set(given) != set(names):
        listed = ", ".join(repr(name)[:80] for name in given[:8]) or "none"
        raise Refused(f"the inputs are {', '.join(map(repr, names))}, and the request has {listed}")


def _array(value: Any, spec: Tensor) -> np.ndarray[Any, Any]:
    """Numbers of a nested list in the dtype of the signature."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Refused(f"{spec.name} is not a rectangular nested list of numbers; expected {spec}") from None
    return _cast(array, spec)


def _cast(array: np.ndarray[Any, Any], spec: Tensor) -> np.ndarray[Any, Any]:
    """Within one kind of number (float64 to float32) or to a wider kind (int64 to float32), never out of range."""
    wanted = np.dtype(spec.dtype)
    if array.dtype == wanted:
        return array
    if not np.can_cast(array.dtype, wanted, "same_kind") and not (array.dtype.kind in "iu" and wanted.kind in "iu"):
        raise Refused(f"{spec.name} is {array.dtype}, and the model takes {spec}")
    if wanted.kind in "iu" and array.size:
        limits = np.iinfo(wanted)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise Refused(f"{spec.name} has values that {wanted} cannot hold; expected {spec}")
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def _read_csv(raw: bytes, settings: Settings) -> Arrays:
    if len(settings.inputs) != 1:
        raise Refused(f"CSV carries one input, and the model has {len(settings.inputs)}; send JSON or NPZ", 415)
    spec = settings.inputs[0]
    try:
        rows = [line.split(",") for line in raw.decode("utf-8").splitlines() if line.strip()]
        array = np.array(rows).astype(np.int64 if np.dtype(spec.dtype).kind in "iub" else np.float64)
    except (ValueError, OverflowError):
        raise Refused(f"CSV is lines of numbers, all of one length and without a header; expected {spec}") from None
    if not array.size:
        raise Refused(f"the CSV has no rows; expected {spec}")
    if np.dtype(spec.dtype).kind == "b":
        array = array != 0
    return {spec.name: _cast(_reshape_rows(array, spec), spec)}


def _reshape_rows(array: np.ndarray[Any, Any], spec: Tensor) -> np.ndarray[Any, Any]:
    """Each line is one row of the tensor, flattened."""
    if len(spec.shape) < 2:
        return array.reshape(-1)
    named = [d for d in spec.shape[1:] if isinstance(d, str)]
    if len(named) > 1:
        raise Refused(f"one line of CSV cannot tell {' from '.join(named)}; send JSON or NPY", 415)
    try:
        return array.reshape(len(array), *(-1 if isinstance(d, str) else d for d in spec.shape[1:]))
    except ValueError:
        raise Refused(f"the lines have {array.shape[1]} numbers, which do not make rows of {spec}") from None


def _read_npy(raw: bytes, settings: Settings) -> Arrays:
    if len(settings.inputs) != 1:
        raise Refused(f"NPY carries one input, and the model has {len(settings.inputs)}; send JSON or NPZ", 415)
    spec = settings.inputs[0]
    return {spec.name: _cast(_parse_npy(raw), spec)}


def _parse_npy(raw: bytes) -> np.ndarray[Any, Any]:
    """Without a copy, and never a pickle: the header says how many bytes follow, and they must be there."""
    stream = io.BytesIO(raw)
    try:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read[np.lib.format.read_magic(stream)](stream)
    except (ValueError, KeyError, SyntaxError, EOFError) as error:
        raise Refused(f"the body is not an NPY file: {error}") from None
    count, left = math.prod(shape), len(raw) - stream.tell()
    if dtype.hasobject or dtype.kind not in "biufcU":
        raise Refused(f"an array of {dtype} is not read here; send numbers or text")
    if min(shape, default=0) < 0 or left != count * dtype.itemsize:
        raise Refused(f"the NPY header announces {count} values of {dtype}, and {left} bytes follow")
    try:
        return np.frombuffer(raw, dtype, count, stream.tell()).reshape(shape, order="F" if fortran else "C")
    except ValueError as error:  # More dimensions than NumPy has.
        raise Refused(f"the NPY header announces a shape that cannot be: {error}") from None


def _read_npz(raw: bytes, settings: Settings) -> Arrays:
    specs = {spec.name: spec for spec in settings.inputs}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            _check_names(list(members), list(specs))
            if sum(info.file_size for info in members.values()) > MOST_BYTES:
                raise Refused(f"the NPZ unpacks to more than {MOST_BYTES} bytes", 413)
            return {name: _cast(_parse_npy(archive.read(info)), specs[name]) for name, info in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise Refused(f"the body is not an NPZ file: {error}") from None


def _check(arrays: Arrays, settings: Settings) -> None:
    """A name stands for the same size wherever it appears, and no dimension is empty."""
    sizes: dict[str, int] = {}
    for spec in settings.inputs:
        shape = arrays[spec.name].shape
        fits = len(shape) == len(spec.shape) and all(
            size == (sizes.setdefault(d, size) if isinstance(d, str) else d) and size > 0
            for size, d in zip(shape, spec.shape, strict=True)
        )
        if not fits:
            known = f" with {', '.join(f'{name}={size}' for name, size in sizes.items())}" if sizes else ""
            raise Refused(f"{spec.name} has shape {list(shape)}, and the model takes {spec}{known}")


# Answers


def encode(outputs: Arrays, accept: str | None) -> tuple[bytes, str]:
    """The body and its content type: the first in `accept` that can carry the outputs. Raises Refused."""
    wanted = [_media_type(item) for item in (accept or JSON).split(",")]
    for kind in wanted:
        if kind in (JSON, "*/*", "application/*"):
            return _write_json(outputs), JSON
        if kind == NPZ:
            return _write_npz(outputs), NPZ
        if kind in (CSV, NPY) and len(outputs) == 1:
            (array,) = outputs.values()
            return (_write_csv(array) if kind == CSV else _write_npy(array)), kind
    single = set(wanted) & {CSV, NPY}
    cause = f"carries one output, and the model has {len(outputs)}" if single else "is not written here"
    raise Refused(f"{accept} {cause}; accept {JSON} or {NPZ}", 406)


def _write_json(outputs: Arrays) -> bytes:
    lists = {name: _to_list(array) for name, array in outputs.items()}
    value = next(iter(lists.values())) if len(lists) == 1 else lists
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _to_list(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        strange = ~np.isfinite(array)
        array = array.astype(object)
        array[strange] = None
    return array.tolist()


def _write_csv(array: np.ndarray[Any, Any]) -> bytes:
    rows = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    return "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()


def _write_npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def _write_npz(outputs: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **outputs)  # type: ignore[arg-type]
    return stream.getvalue()
