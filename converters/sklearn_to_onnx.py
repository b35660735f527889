"""scikit-learn to ONNX by skl2onnx, with the converters of onnxmltools for XGBoost and LightGBM.

A tree's answer jumps at its thresholds, and XGBoost puts them on values of the data: what stands before the trees must
agree to the last bit. StandardScaler therefore divides, as scikit-learn does; multiplying by the reciprocal, skl2onnx's
default, moved a quarter of the values by one unit in the last place and probabilities by 0.26.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import estimator_one_hot, onnx_finishing
from optimize.converters.estimator_graph import OPSETS, save_fitted, typed_inputs
from optimize.errors import Unsupported

reads = "sklearn"
makes = "onnx"
libraries = ("skl2onnx", "onnxmltools", "scikit-learn", "onnx", "onnxruntime")
FILE = "model.onnx"
options = onnx_finishing.Options


def convert(model: Artifact, examples: Arrays, output: Path, options: onnx_finishing.Options) -> Made:
    made = _graph(model, options.opset_of(OPSETS[""]))
    _set_locale(made)
    return Made(f"skl2onnx, {save_fitted(made, model.signature, output / FILE, options)}")


def foresee(model: Artifact) -> str:
    """By making the graph, which takes less time than loading skl2onnx did."""
    try:
        _graph(model, OPSETS[""])
    except Unsupported as error:
        return str(error)
    return ""


def _graph(model: Artifact, opset: int) -> Any:
    import skl2onnx
    from skl2onnx.common import data_types

    from optimize.sources.sklearn import load_estimator

    estimator = load_estimator(model)
    _register_boosters()
    estimator_one_hot.register()
    inputs = typed_inputs(model.signature, data_types)
    try:
        opsets = {**OPSETS, "": opset}
        return skl2onnx.convert_sklearn(
            estimator, initial_types=inputs, target_opset=opsets, options=_options(estimator)
        )
    except Exception as error:
        raise Unsupported(f"skl2onnx: {_reason(error)}") from error


def _set_locale(model: Any) -> None:
    """For lower case, the one that slim containers have: without it ONNX Runtime asks for en_US, and where that is not
    installed the model does not load."""
    import onnx

    for node in model.graph.node:
        if node.op_type == "StringNormalizer" and all(attribute.name != "locale" for attribute in node.attribute):
            node.attribute.append(onnx.helper.make_attribute("locale", "C.UTF-8"))


def _options(estimator: Any) -> dict[Any, dict[str, Any]]:
    """By estimator: probabilities as one matrix instead of a list of maps, and the scaler's division."""
    from sklearn.base import is_classifier
    from sklearn.preprocessing import StandardScaler

    options: dict[Any, dict[str, Any]] = {StandardScaler: {"div": "div"}}
    last = list(_last_steps(estimator))[-1]
    if is_classifier(last):
        options[id(last)] = {"zipmap": False}
    return options


def _last_steps(estimator: Any) -> Iterator[Any]:
    yield estimator
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
        yield estimator


def _register_boosters() -> None:
    """For those that the unpickled model has brought along; https://onnx.ai/sklearn-onnx/auto_tutorial."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator

    regressor = shape_calculator.calculate_linear_regressor_output_shapes
    classifier = shape_calculator.calculate_linear_classifier_output_shapes
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    if xgboost := sys.modules.get("xgboost"):
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as trees

        # Not the random forests of XGBoost: what onnxmltools 1.16 makes of them is wrong by 0.6.
        update_registered_converter(xgboost.XGBClassifier, "XGBoostXGBClassifier", classifier, trees, options=options)
        update_registered_converter(xgboost.XGBRegressor, "XGBoostXGBRegressor", regressor, trees)
    if lightgbm := sys.modules.get("lightgbm"):
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as leaves

        update_registered_converter(
            lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", classifier, leaves, options=options
        )
        update_registered_converter(
            lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", regressor, leaves, options={"split": None}
        )


def _reason(error: Exception) -> str:
    """The first sentence, which names the estimator; advice to its developers follows."""
    cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}{cause[:200]}"
