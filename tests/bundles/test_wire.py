"""The handler answers what it can read, and refuses the rest with a sentence: never with another exception."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import optimize.bundles.handlers
from optimize.arrays import Arrays
from optimize.bundles.messages import FORMS, accept_for, forms_for, read_answer
from tests.bundles.cases import SIGNATURES, draw_inputs, right_outputs

sys.path.insert(0, str(Path(optimize.bundles.handlers.__file__).parent))

import bundle_wire

SETTINGS = {
    kind: bundle_wire.Settings(
        tuple(bundle_wire.Tensor(s.name, s.dtype, s.shape) for s in signature.inputs),
        tuple(bundle_wire.Tensor(s.name, s.dtype, s.shape) for s in signature.outputs),
        1,
        {},
        {},
    )
    for kind, signature in SIGNATURES.items()
}
CASES = [(kind, form) for kind, signature in SIGNATURES.items() for form in forms_for(signature)]
TYPES = ["application/json", "text/csv", "application/x-npy", "application/x-npz"]


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(("kind", "form"), CASES)
@pytest.mark.parametrize("suffix", ["", "; charset=utf-8"])
def test_inputs_and_outputs_arrive_bit_for_bit_in_every_form(kind: str, form: str, suffix: str) -> None:
    signature, inputs = SIGNATURES[kind], draw_inputs(kind, 3)
    body = FORMS[form].write(inputs, signature)
    read = bundle_wire.decode(body, FORMS[form].content_type + suffix, SETTINGS[kind])
    assert_same(read, inputs)
    outputs = right_outputs(kind, inputs)
    assert_same(read_answer(*bundle_wire.encode(outputs, accept_for(form, signature)), signature), outputs)


def assert_same(got: Arrays, expected: Arrays) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array)


def test_text_is_read_like_bytes() -> None:
    assert bundle_wire.decode("1,2,3,4,5,6", "text/csv", SETTINGS["single"])["image"].shape == (1, 2, 3)


def test_nan_and_infinity_become_null_and_the_answer_stays_json() -> None:
    body, kind = bundle_wire.encode({"y": np.array([[1.5, np.nan, np.inf]], np.float32)}, "application/json")
    assert kind == "application/json"
    assert json.loads(body) == [[1.5, None, None]]


@pytest.mark.parametrize(
    ("kind", "content_type", "body", "says"),
    [
        ("single", "application/json", b"", "the request is empty; expected image: float32[batch, 2, 3]"),
        ("single", "application/json", b"{", "the body is not JSON"),
        ("single", "application/json", b"\xff\xfe", "the body is not JSON"),
        ("single", "application/json", b"[" * 1000, "the body is not JSON"),
        ("single", "application/json", b"[" * 900 + b"1" + b"]" * 900, "not a rectangular nested list of numbers"),
        ("single", "application/json", b"[" * 100_000, "the body is not JSON"),
        ("single", "application/json", b"[[1,2],[3]]", "not a rectangular nested list"),
        ("single", "application/json", b'[["a"]]', "image is <U1, and the model takes image: float32[batch, 2, 3]"),
        ("single", "application/json", b"[[1,2,3]]", "has shape [1, 3], and the model takes image: float32"),
        ("single", "application/json", b"[]", "has shape [0]"),
        ("single", "application/json", b"null", "image is object"),
        ("single", "application/json", b'{"picture": [[1]]}', "the inputs are 'image', and the request has 'picture'"),
        ("single", "application/json", b'{"instances": []}', "at least one row"),
        ("single", "text/csv", b"a,b,c\n1,2,3", "CSV is lines of numbers"),
        ("single", "text/csv", b"1,2\n1,2,3", "CSV is lines of numbers"),
        ("single", "text/csv", b"1,2,3,4", "the lines have 4 numbers, which do not make rows of image"),
        ("single", "text/csv", b"\n\n", "the CSV has no rows"),
        ("single", "application/x-npy", b"\x93NUMPY", "not an NPY file"),
        ("single", "application/x-npy", npy(np.zeros((1, 2, 3), np.float32))[:-1], "23 bytes follow"),
        ("single", "application/x-npy", npy(np.array([{}], object)), "an array of object is not read here"),
        ("single", "application/x-npy", npy(np.zeros((1, 2, 3), complex)), "image is complex128"),
        ("single", "application/x-npy", npy(np.zeros((0, 2, 3), np.float32)), "has shape [0, 2, 3]"),
        ("single", "application/x-npz", b"PK\x05\x06", "not an NPZ file"),
        ("single", "image/png", b"x", "content type 'image/png' is not read here"),
        ("several", "application/x-npy", npy(np.zeros(3)), "NPY carries one input, and the model has 2"),
        ("several", "text/csv", b"1,2", "CSV carries one input, and the model has 2"),
        ("several", "application/json", b"[[1]]", "the model has 2 inputs"),
        ("several", "application/json", b'{"tokens": [[1.5]], "scale": [1]}', "tokens is float64"),
        ("several", "application/json", b'{"tokens": [[1],[2]], "scale": [1]}', "scale has shape [1]"),
        ("several", "application/json", b'{"instances": [{"tokens": [1]}]}', "the request has 'tokens'"),
        ("several", "application/json", b'{"instances": [[1]]}', "each of 'instances' is to be an object"),
        ("several", "application/json", b'{"tokens": [[99999999999999999999]], "scale": [1]}', "tokens"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_with_a_sentence(kind: str, content_type: str, body: bytes, says: str) -> None:
    with pytest.raises(bundle_wire.Refused) as refused:
        bundle_wire.decode(body, content_type, SETTINGS[kind])
    assert says in str(refused.value)
    assert 400 <= refused.value.status_code < 500


def test_a_small_npz_that_unpacks_to_much_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", bytes(bundle_wire.MOST_BYTES + 1))
    assert len(stream.getvalue()) < 1_000_000
    with pytest.raises(bundle_wire.Refused, match="unpacks to more than") as refused:
        bundle_wire.decode(stream.getvalue(), "application/x-npz", SETTINGS["single"])
    assert refused.value.status_code == 413


def test_an_answer_nobody_can_carry_is_refused_with_what_can() -> None:
    with pytest.raises(bundle_wire.Refused, match="carries one output, and the model has 2; accept"):
        bundle_wire.encode({"a": np.zeros(1), "b": np.zeros(1)}, "text/csv")
    with pytest.raises(bundle_wire.Refused, match="image/png is not written here"):
        bundle_wire.encode({"a": np.zeros(1)}, "image/png")
    assert bundle_wire.encode({"a": np.zeros(1)}, "text/html, */*;q=0.8")[1] == "application/json"


@given(body=st.binary(max_size=200), content_type=st.sampled_from(TYPES), kind=st.sampled_from(["single", "several"]))
def test_no_bytes_whatever_raise_anything_but_a_refusal(body: bytes, content_type: str, kind: str) -> None:
    refuse_or_read(body, content_type, kind)


@given(data=st.data(), kind=st.sampled_from(["single", "several"]))
def test_no_damaged_request_raises_anything_but_a_refusal(data: st.DataObject, kind: str) -> None:
    form = data.draw(st.sampled_from(forms_for(SIGNATURES[kind])))
    body = bytearray(FORMS[form].write(draw_inputs(kind, 2), SIGNATURES[kind]))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    refuse_or_read(bytes(body), FORMS[form].content_type, kind)


KEYS = st.sampled_from(["inputs", "instances", "image", "tokens"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


@given(value=JSON_VALUES, kind=st.sampled_from(["single", "several"]))
def test_no_json_whatever_raises_anything_but_a_refusal(value: object, kind: str) -> None:
    refuse_or_read(json.dumps(value).encode(), "application/json", kind)


def refuse_or_read(body: bytes, content_type: str, kind: str) -> None:
    try:
        arrays = bundle_wire.decode(body, content_type, SETTINGS[kind])
    except bundle_wire.Refused as refused:
        assert str(refused)
        assert 400 <= refused.status_code < 500
    else:
        for spec in SIGNATURES[kind].inputs:
            assert arrays[spec.name].dtype == spec.dtype
