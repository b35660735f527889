"""ONNX to OpenVINO's intermediate representation, weights in the precision they have."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import openvino_finishing
from optimize.errors import Unsupported
from optimize.runtimes import onnx

reads = "onnx"
makes = "openvino"
libraries = ("openvino",)
WHAT = "ONNX graph"


def convert(model: Artifact, examples: Arrays, output: Path) -> Made:
    openvino_finishing.check_text(model.signature)
    return openvino_finishing.save(openvino_finishing.read(model.path / onnx.FILE, WHAT), model.signature, output)


def foresee(model: Artifact) -> str:
    """OpenVINO reads a graph in less time than it takes to list its operators elsewhere, and maps the weights."""
    try:
        openvino_finishing.check_text(model.signature)
        openvino_finishing.read(model.path / model.options["file"], WHAT)
    except Unsupported as error:
        return str(error)
    return ""
