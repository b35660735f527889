"""ONNX's own cases of each operator, through the rules: run in a process with TensorFlow.

`python -m tests.converters.onnx_nodes` writes the table of operators and docs/onnx-operators.md. For the tests,
`onnx_nodes.py FILE quick` writes what it found into a file: `quick` leaves out operators without a rule of their own.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from optimize.runtimes.lean_tensorflow import leave_keras_out, prepare_environment

prepare_environment()
leave_keras_out()

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import tensorflow as tf  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from onnx.backend.test.loader import load_model_tests  # noqa: E402

from optimize.converters.aten_graph_to_saved_model.saving import Variables  # noqa: E402
from optimize.converters.aten_graph_to_saved_model.values import Value  # noqa: E402
from optimize.converters.onnx_to_saved_model.coverage import PACKAGE, document, table  # noqa: E402
from optimize.converters.onnx_to_saved_model.graph import check_coverage, operator_name, prepared  # noqa: E402
from optimize.converters.onnx_to_saved_model.interpreter import interpret  # noqa: E402
from optimize.converters.onnx_to_saved_model.rules import RULES  # noqa: E402

# What these take as their later inputs, exporters write as constants; ONNX's cases feed it to the model.
_PARAMETERS = {
    "CumSum": (1,), "CumProd": (1,), "Pad": (1, 3), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,),
    "Unsqueeze": (1,), "Upsample": (1,), "CenterCropPad": (1,), "Dropout": (2,), "AffineGrid": (1,), "Conv": (1, 2),
    "ConvTranspose": (1, 2), "LSTM": (1, 2, 3, 7), "GRU": (1, 2, 3), "RNN": (1, 2, 3),
    "ConvInteger": (1, 3), "QLinearConv": tuple(range(1, 9)),
}  # fmt: skip

EXCEPTIONS = {
    r"batchnorm_.*_training_mode|training_dropout.*": "the operator in training mode",
    r"bitcast_bool_to_uint8": "TensorFlow has no bit cast of booleans",
    r"bitshift_(left_.*_shift_ge_width|.*_negative_shift)": "TensorFlow leaves shifts by more than the width undefined",
    r"(cast|castlike|(de)?quantizelinear)_.*(float8|float4|e4m3|e5m2|e8m0|int4|int2).*": "no kernels for these numbers",
    r"convtranspose_output_shape": "an output larger than the whole, where the input's size is not known beforehand",
    r"(de)?quantizelinear_blocked.*": "scales per block",
    r"gridsample_.*(nearest|cubic|volumetric|reflection).*": "sampling other than bilinear, with zeros or the border outside",
    r"(identity|if|loop\d+)_(sequence|opt|seq|seq_none)": "sequences and optional values",
    r"maxpool_with_argmax.*": "the positions of maxima",
    r"reshape_zero_.*dim": "a 0 that keeps the axis, computed by the model itself",
    r"unique_.*_with_(negative_)?axis.*": "Unique along an axis",
    r"ai_onnx_ml_tree_ensemble_set_membership": "branches by membership of a set",
}
"""Cases of operators with a rule that do not hold, and why."""


def reason(name: str) -> str | None:
    """Why this case does not hold, if that is known."""
    short = name.removeprefix("test_").lower()
    return next((why for pattern, why in EXCEPTIONS.items() if re.fullmatch(pattern, short)), None)


@cache
def official_cases() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [case for case in load_model_tests(kind="node") if not _expanded(case.name)]


def _expanded(name: str) -> bool:
    """The same case with its operator taken apart beforehand, which the converter does by itself."""
    return "_expanded" in name


def run_case(case: Any) -> str:
    """Empty where all outputs are as expected, else what is the matter."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for inputs, expected in case.data_sets:
        problem = _run(model, list(inputs), list(expected), case)
        if problem:
            return problem
    return ""


def _run(model: Any, inputs: list[Any], expected: list[Any], case: Any) -> str:
    if any(not isinstance(item, np.ndarray | np.generic | onnx.TensorProto) for item in [*inputs, *expected]):
        return "sequences and optional values have no rule"
    inputs, expected = ([_array(item) for item in items] for items in (inputs, expected))
    arrays = dict(zip([value.name for value in model.graph.input], inputs, strict=False))
    for name in _parameters(model):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(arrays.pop(name)), name))
    graph = prepared(model, {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}, frozenset(RULES))
    check_coverage(graph, RULES)

    def serve(*tensors: Any) -> list[Any]:
        return [v.tensor for v in interpret(graph, dict(zip(arrays, map(Value, tensors), strict=True)), Variables())]

    alone = len(arrays) == 1
    specs = [tf.TensorSpec(_sizes(array, at > 0 or alone), _kind(array)) for at, array in enumerate(arrays.values())]
    results = tf.function(serve, input_signature=specs, autograph=False)(*(tf.constant(a) for a in arrays.values()))
    wrong = [w for r, e in zip(results, expected, strict=True) if (w := _difference(r.numpy(), np.asarray(e), case))]
    return "; ".join(wrong)


def _array(item: Any) -> Any:
    return numpy_helper.to_array(item) if isinstance(item, onnx.TensorProto) else np.asarray(item)


def _sizes(array: Any, indices: bool) -> list[int | None]:
    """Free, so that no rule leans on one that happens to be known; but how many indices there are is known."""
    return list(np.shape(array)) if indices and array.dtype.kind in "iu" else [None] * np.ndim(array)


def _kind(array: Any) -> Any:
    return tf.string if array.dtype == object or array.dtype.kind == "U" else tf.as_dtype(array.dtype)


def _parameters(model: Any) -> list[str]:
    fed = {value.name for value in model.graph.input}
    found = []
    for node in model.graph.node:
        places = (1,) if node.op_type.startswith("Reduce") else _PARAMETERS.get(node.op_type, ())
        found += [node.input[at] for at in places if at < len(node.input) and node.input[at] in fed]
    return found


def _difference(actual: Any, expected: Any, case: Any) -> str:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"{actual.dtype}{list(actual.shape)} instead of {expected.dtype}{list(expected.shape)}"
    if actual.dtype == object:
        same = [a.decode() for a in actual.reshape(-1)] == [str(e) for e in expected.reshape(-1)]
        return "" if same else "other text"
    wide = np.float64 if expected.dtype.kind not in "biu" else expected.dtype
    # A unit in the last place of half-precision numbers, after a few operations.
    least = {"float16": 2e-3, "bfloat16": 2e-2}.get(expected.dtype.name, 1e-6)
    close = np.allclose(actual.astype(wide), expected.astype(wide), max(case.rtol, 1e-3), max(case.atol, least), True)
    return "" if close else "other values"


def operator_of(case: Any) -> str:
    """The one that the case is about."""
    names = {operator_name(n.domain, n.op_type) for n in case.model.graph.node}
    own = [name for name in names if name.rpartition(".")[2].lower() in case.name.replace("_", "")]
    return max(own or sorted(names), key=len)


def run_all(with_those_taken_apart: bool) -> dict[str, Any]:
    """Operator to the versions tested, the number of cases that hold, and those that do not."""
    found: dict[str, Any] = defaultdict(lambda: {"versions": [], "passed": 0, "failed": {}})
    for case in official_cases():
        operator = operator_of(case)
        if operator not in RULES and not with_those_taken_apart:
            continue
        entry = found[operator]
        problem = _problem(case)
        version = next((o.version for o in case.model.opset_import if o.domain in ("", "ai.onnx")), 0)
        entry["versions"] = sorted({*entry["versions"], version})
        if problem:
            entry["failed"][case.name] = [problem, reason(case.name) or ""]
        else:
            entry["passed"] += 1
    return dict(sorted(found.items()))


def _problem(case: Any) -> str:
    try:
        return run_case(case)
    except Exception as error:  # noqa: BLE001 - what a case ends in is its result
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]


if __name__ == "__main__":
    results = run_all(sys.argv[2:] != ["quick"])
    if len(sys.argv) > 1:
        known = [case.name for case in official_cases() if operator_of(case) in RULES and reason(case.name)]
        written = {"cases": results, "exceptions": known, "table": table(), "document": document(results)}
        Path(sys.argv[1]).write_text(json.dumps(written), encoding="utf-8")
    else:
        (PACKAGE / "operators.py").write_text(table(), encoding="utf-8")
        (PACKAGE.parents[1] / "docs" / "onnx-operators.md").write_text(document(results), encoding="utf-8")
