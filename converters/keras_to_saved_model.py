"""A Keras model to a SavedModel with one signature, its weights as variables."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters.tensorflow_functions import tensor_specs
from optimize.runtimes.saved_model import SIGNATURE

reads = "keras"
makes = "saved_model"
libraries = ("keras", "tensorflow-cpu", "tensorflow")


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    from optimize.sources.keras import load_function
    from optimize.sources.keras_files import import_keras

    loaded, function = load_function(model)
    archive = import_keras("tensorflow").export.ExportArchive()
    archive.track(loaded)
    archive.add_endpoint(SIGNATURE, function, input_signature=tensor_specs(model.signature.inputs))
    archive.write_out(str(output), verbose=False)
    return Made("keras.export")
