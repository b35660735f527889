"""Trains a pipeline on the breast cancer data that comes with scikit-learn: `python examples/tabular/train.py`.

Writes the model and the labelled rows it has not seen, beside itself.
"""

from pathlib import Path

import numpy as np
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent


def main() -> None:
    data = load_breast_cancer()
    rows = data.data.astype(np.float32)
    seen, unseen, known, asked = train_test_split(rows, data.target, test_size=0.3, random_state=0)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=20, max_depth=5, random_state=0))
    model.fit(seen, known)
    skops.io.dump(model, HERE / "model.skops", compression=8)
    np.savez_compressed(HERE / "evaluation.npz", features=unseen, label=asked)
    print(f"accuracy {model.score(unseen, asked):.3f} on {len(unseen)} rows")


if __name__ == "__main__":
    main()
