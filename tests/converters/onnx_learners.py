"""Run in a process without TensorFlow: `onnx_learners.py FOLDER CASE…` makes ONNX files by skl2onnx and by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, parser
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

from optimize.arrays import Arrays, save_arrays
from optimize.signature import Signature, TensorSpec

_RNG = np.random.default_rng(0)
_X = _RNG.standard_normal((60, 4)).astype(np.float32)
_SUM = _X.sum(1)
_CLASSES = np.digitize(_SUM, [-1.0, 1.0])

LEARNERS: dict[str, Any] = {
    "linear_regression": lambda: LinearRegression().fit(_X, _SUM),
    "logistic_regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(_X, _CLASSES),
    "two_classes": lambda: make_pipeline(MinMaxScaler(), LogisticRegression()).fit(_X, _SUM > 0),
    "forest": lambda: RandomForestClassifier(5, max_depth=4, random_state=0).fit(_X, _CLASSES),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0).fit(_X, (_SUM > 0).astype(int)),
    "normalized_forest": lambda: make_pipeline(Normalizer(), RandomForestRegressor(4, random_state=0)).fit(_X, _SUM),
}

_BRANCH_AND_LOOP = """
<ir_version: 9, opset_import: ["" : 18]>
agraph (float[batch, 4] x) => (float[batch, 4] y, float[steps, batch, 4] all) {
    total = ReduceSum <keepdims = 0> (x)
    zero = Constant <value_float = 0.0> ()
    positive = Greater (total, zero)
    start = If (positive) <
        then_branch = one () => (a) { a = Mul (x, x) },
        else_branch = two () => (b) { b = Neg (x) }
    >
    shape = Shape (x)
    first = Constant <value_int = 0> ()
    steps = Gather (shape, first)
    true = Constant <value = bool {1}> ()
    y, all = Loop (steps, true, start) <
        body = inner (int64 i, bool again, float[n, 4] state) => (bool on, float[n, 4] next, float[n, 4] out) {
            on = Identity (again)
            next = Add (state, x)
            out = Mul (next, next)
        }
    >
}
"""

_RARE = """
<ir_version: 9, opset_import: ["" : 18, "ai.onnx.ml" : 3]>
agraph (float[batch, 4] x) => (float[batch, 8] both, float[batch, 4, 3] hot, float[batch, 1, 1] size) {
    filled = ai.onnx.ml.Imputer <imputed_value_floats = [1.0, 2.0, 3.0, 4.0], replaced_value_float = 0.0> (x)
    both = ai.onnx.ml.FeatureVectorizer <inputdimensions = [4, 4]> (x, filled)
    whole = Cast <to = 7> (x)
    hot = ai.onnx.ml.OneHotEncoder <cats_int64s = [-1, 0, 1]> (whole)
    middle = Constant <value_ints = [1]> ()
    images = Unsqueeze (x, middle)
    size = GlobalLpPool (images)
}
"""


def _unknown() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Frobnicate", ["x"], ["z"], "middle", domain="com.acme"),
        helper.make_node("DeformConv", ["z", "z", "z"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.acme", 1)]
    return helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:]), opset_imports=opsets, ir_version=9)


def _model(name: str) -> onnx.ModelProto:
    if name == "unknown_operator":
        return _unknown()
    if name in ("branch_and_loop", "rare_operators"):
        return parser.parse_model(_RARE if name == "rare_operators" else _BRANCH_AND_LOOP)
    learner = LEARNERS[name]()
    options = {id(learner): {"zipmap": False}} if hasattr(learner, "predict_proba") else None
    return to_onnx(learner, _X[:2], target_opset={"": 18, "ai.onnx.ml": 3}, options=options)


def make(name: str, folder: Path) -> None:
    model = _model(name)
    onnx.save(model, folder / "model.onnx")
    (x,) = (value.name for value in model.graph.input)
    outputs: list[TensorSpec] = []
    if name != "unknown_operator":
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        for index, rows in enumerate((3, 7)):
            inputs = {x: _RNG.standard_normal((rows, 4)).astype(np.float32)}
            expected: Arrays = dict(zip(names, session.run(names, inputs), strict=True))
            save_arrays(folder / f"inputs{index}.npz", inputs)
            save_arrays(folder / f"expected{index}.npz", expected)
        outputs = [TensorSpec(n, str(a.dtype), tuple(f"d{i}" for i in range(a.ndim))) for n, a in expected.items()]
    signature = Signature((TensorSpec(x, "float32", ("batch", 4)),), tuple(outputs))
    (folder / "signature.json").write_text(json.dumps(signature.to_json()))


if __name__ == "__main__":
    for name in sys.argv[2:]:
        folder = Path(sys.argv[1]) / name
        folder.mkdir(exist_ok=True)
        make(name, folder)
