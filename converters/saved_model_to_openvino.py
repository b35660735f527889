"""SavedModel to OpenVINO's intermediate representation, by OpenVINO's own reader, which needs no TensorFlow.

It is the way of trees and of other operators of ONNX for classical models, which OpenVINO reads no rule for: as a
SavedModel they are plain arithmetic.
"""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import openvino_finishing

reads = "saved_model"
makes = "openvino"
libraries = ("openvino",)


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    openvino_finishing.check_text(model.signature)
    return openvino_finishing.save(openvino_finishing.read(model.path, "SavedModel"), model.signature, output)
