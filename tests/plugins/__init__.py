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

BUNDLE = """
container = "{format}-container"
formats = ("{format}",)
libraries = ()
takes_code = False


def lay_out(model, settings, folder):
    raise NotImplementedError("none of these candidates is to win")


def open_folder(folder, signature):
    raise NotImplementedError("none of these candidates is to win")
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
    """For each format a converter from ONNX that runs `body`, ONNX Runtime for it, and a container that takes it."""
    modules, points = {}, {"converters": {}, "runtimes": {}, "bundles": {}}
    for name, body in bodies.items():
        code = textwrap.indent(textwrap.dedent(body), "    ").strip()
        modules[f"{name}_converter"] = CONVERTER.format(format=name, body=code)
        modules[f"{name}_runtime"] = RUNTIME.format(format=name)
        points["converters"][f"onnx_to_{name}"] = f"{name}_converter"
        points["runtimes"][f"{name}_runtime"] = f"{name}_runtime"
        modules[f"{name}_bundle"] = BUNDLE.format(format=name)
        points["bundles"][f"{name}-container"] = f"{name}_bundle"
    install_package(folder, modules, points, monkeypatch)


def install_package(
    folder: Path,
    modules: Mapping[str, str],
    points: Mapping[str, Mapping[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A package on PYTHONPATH: modules by name, and entry points by group (`sources`: {name: module})."""
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
    info = folder / "plugins-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.0\n")
    lines = []
    for group, found in points.items():
        lines += [f"[optimize.{group}]", *(f"{name} = {module}" for name, module in found.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))
