"""Models of scikit-learn, XGBoost and LightGBM, fitted on a few hundred drawn rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.matrix.case import Case


def rows() -> tuple[Any, Any]:
    """float32[400, 8] and three classes."""
    import numpy as np
    from sklearn.datasets import make_classification

    x, y = make_classification(400, 8, n_informative=5, n_classes=3, random_state=0)
    return x.astype(np.float32), y


def pickled(folder: Path, estimator: Any) -> dict[str, Any]:
    import joblib

    joblib.dump(estimator, folder / "model.joblib")
    return {"source": {"kind": "sklearn", "file": "model.joblib", "trust": True}}


def linear_regression(folder: Path) -> dict[str, Any]:
    from sklearn.linear_model import LinearRegression

    return pickled(folder, LinearRegression().fit(*rows()))


def random_forest(folder: Path) -> dict[str, Any]:
    from sklearn.ensemble import RandomForestClassifier

    return pickled(folder, RandomForestClassifier(20, random_state=0).fit(*rows()))


def column_pipeline(folder: Path) -> dict[str, Any]:
    """A scaler and a one-hot encoder over named columns."""
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x, y = rows()
    table = pandas.DataFrame({"length": x[:, 0], "weight": x[:, 1], "zone": (x[:, 2] * 2).astype(int) % 4})
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["length", "weight"]), ("kinds", OneHotEncoder(), ["zone"])]
    )
    return pickled(folder, make_pipeline(columns, RandomForestClassifier(10, random_state=0)).fit(table, y))


def words_in_columns(folder: Path) -> dict[str, Any]:
    """Text goes in, and text comes out."""
    import numpy as np
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x, y = rows()
    colors = np.array(["red", "green", "blue", "white"])[(x[:, 2] * 2).astype(int) % 4]
    table = pandas.DataFrame({"length": x[:, 0], "color": colors})
    columns = ColumnTransformer([("numbers", StandardScaler(), ["length"]), ("words", OneHotEncoder(), ["color"])])
    labels = np.array(["small", "medium", "large"])[y]
    return pickled(folder, make_pipeline(columns, LogisticRegression()).fit(table, labels))


def documents(folder: Path) -> dict[str, Any]:
    """Words are counted and weighed; one document a row."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = ["the engine is fast", "the engine stalls again", "a slow and noisy engine", "fast and quiet it runs"] * 5
    return pickled(folder, make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 0, 1] * 5))


def scaled_boosters(folder: Path) -> dict[str, Any]:
    """XGBoost's thresholds are values of the scaled data, so that one bit of difference shows."""
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier

    x, y = rows()
    np.savez(folder / "evaluation.npz", features=x, label=y)
    fitted = make_pipeline(StandardScaler(), XGBClassifier(n_estimators=10, max_depth=3)).fit(x, y)
    return pickled(folder, fitted) | {
        "data": {"evaluation": {"file": "evaluation.npz", "labels": "label", "output": "probabilities"}}
    }


def skops(folder: Path) -> dict[str, Any]:
    import skops.io
    from sklearn.linear_model import LogisticRegression

    skops.io.dump(LogisticRegression().fit(*rows()), folder / "model.skops")
    return {"source": {"kind": "sklearn", "file": "model.skops"}}


def xgboost_classifier(folder: Path) -> dict[str, Any]:
    import xgboost

    xgboost.XGBClassifier(n_estimators=10, max_depth=3).fit(*rows()).save_model(folder / "model.json")
    return {"source": {"kind": "xgboost", "file": "model.json"}}


def lightgbm_classifier(folder: Path) -> dict[str, Any]:
    import lightgbm

    fitted = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(*rows())
    fitted.booster_.save_model(folder / "model.txt")
    return {"source": {"kind": "lightgbm", "file": "model.txt"}}


HERE = "tests.matrix.zoo_estimators"
RECIPROCAL = (
    "OpenVINO's plug-in divides by multiplying with the reciprocal, which moves the scaled values by one bit, and the "
    "thresholds of XGBoost lie on values of the data; take onnx, saved_model or litert, or leave the scaler out"
)
CASES = (
    Case("linear regression", "sklearn", f"{HERE}:linear_regression"),
    Case("random forest", "sklearn", f"{HERE}:random_forest"),
    Case("scaler, one-hot and random forest over columns", "sklearn", f"{HERE}:column_pipeline"),
    Case("text in columns and labels", "sklearn", f"{HERE}:words_in_columns"),
    Case("documents, TF-IDF", "sklearn", f"{HERE}:documents"),
    Case("scaler and XGBoost", "sklearn", f"{HERE}:scaled_boosters", causes={"openvino-none": RECIPROCAL}),
    Case("logistic regression saved by skops", "sklearn", f"{HERE}:skops"),
    Case("XGBoost classifier", "xgboost", f"{HERE}:xgboost_classifier"),
    Case("LightGBM classifier", "lightgbm", f"{HERE}:lightgbm_classifier"),
)
