"""Trains a small Keras classifier of the 8x8 digits that come with scikit-learn: `python examples/keras/train.py`.

Writes the model, calibration rows and the labelled rows it has not seen, beside itself.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def main() -> None:
    keras.utils.set_random_seed(0)
    data = load_digits()
    images = (data.images[..., None] / 16).astype(np.float32)
    seen, unseen, known, asked = train_test_split(images, data.target, test_size=0.3, random_state=0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(seen, known, epochs=60, batch_size=32, verbose=0)
    model.save(HERE / "model.keras")
    np.savez_compressed(HERE / "calibration.npz", image=seen[:200])
    np.savez_compressed(HERE / "evaluation.npz", image=unseen, label=asked)
    print(f"accuracy {model.evaluate(unseen, asked, verbose=0)[1]:.3f} on {len(unseen)} images")


if __name__ == "__main__":
    main()
