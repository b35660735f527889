"""Stages of a third party, made into an installed package by the tests that need them."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

CONVERTER = """
reads = "onnx"
makes = "{format}"
libraries = ()

def convert(model, examples, output):
    import shutil
    from optimize.artifact import Made
    {body}
    for path in model.path.iterdir():
        shutil.copy(path, output)
    return Made("copied")
"""

RUNTIME = """
from optimize.runtimes.onnx import open, prepare, read

reads = "{format}"
libraries = ("onnxruntime",)
"""

PERTURBED = """
    import onnx
    from onnx import numpy_helper
    loaded = onnx.load(model.path / "model.onnx")
    for tensor in loaded.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 0.1, tensor.name))
    onnx.save(loaded, output / "model.onnx")
    return Made("perturbed")
"""


def install(folder: Path, bodies: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package on PYTHONPATH with, for each format, a converter from ONNX that runs `body`, and ONNX Runtime for it."""
    converters, runtimes = [], []
    for name, body in bodies.items():
        code = textwrap.indent(textwrap.dedent(body), "    ").strip()
        (folder / f"{name}_converter.py").write_text(CONVERTER.format(format=name, body=code))
        (folder / f"{name}_runtime.py").write_text(RUNTIME.format(format=name))
        converters.append(f"onnx_to_{name} = {name}_converter")
        runtimes.append(f"{name}_runtime = {name}_runtime")
    info = folder / "plugins-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.0\n")
    points = ["[optimize.converters]", *converters, "[optimize.runtimes]", *runtimes]
    (info / "entry_points.txt").write_text("\n".join(points) + "\n")
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))
