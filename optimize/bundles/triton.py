"""The Triton container: a model repository with one model, named `model`, and its `config.pbtxt`.

Triton is on no package index with the backends that read these formats, so that its bundles are not served here: the
layout is checked by the rules of the container's start script, the configuration against the model's signature, and the
model is called in a clean process.
"""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.bundles.layout import link_files
from optimize.bundles.triton_config import PLATFORMS, config_problems, read_config, write_config
from optimize.errors import UserError
from optimize.signature import Signature
from optimize.stages import RuntimeSettings, Service, ServingSettings, runtimes

container = "triton"
formats = tuple(PLATFORMS)
libraries = ("numpy",)
takes_code = False
NAME = "model"
CONFIG = "config.pbtxt"
MARKS = {"model.onnx": "onnx", "model.pt": "torchscript", "model.savedmodel": "saved_model", "model.xml": "openvino"}
"""What Triton looks for in the folder of a version, by the backend."""


def lay_out(model: Artifact, settings: ServingSettings, folder: Path) -> None:
    version = folder / NAME / "1"
    link_files(model.path, version / "model.savedmodel" if model.format == "saved_model" else version)
    text = write_config(NAME, model.format, model.signature, settings.threads, settings.sizes)
    (folder / NAME / CONFIG).write_text(text, encoding="utf-8")


def find_model(folder: Path) -> tuple[Path, str]:
    """The folder of the one version, and its format. Raises UserError where Triton would find none, or several."""
    if (folder / CONFIG).is_file():
        raise UserError(f"{CONFIG} lies at the root; Triton's container wants a folder for each model, with it inside")
    models = sorted(path.parent for path in folder.glob(f"*/{CONFIG}"))
    versions = [path for model in models for path in sorted(model.iterdir()) if path.is_dir() and path.name.isdigit()]
    found = [(path, MARKS[mark]) for path in versions for mark in MARKS if (path / mark).exists()]
    if len(models) != 1 or len(found) != 1:
        listed = ", ".join(path.relative_to(folder).as_posix() for path, _ in found) or "none"
        raise UserError(f"Triton finds {listed}; expected one folder such as model/1/ with {', '.join(MARKS)} in it")
    return found[0]


def open_folder(folder: Path, signature: Signature) -> Service:
    """Raises UserError where the layout or the configuration is not as Triton wants it."""
    path, format = find_model(folder)
    config = read_config((path.parent / CONFIG).read_text(encoding="utf-8"))
    if config.get("name", [path.parent.name]) != [path.parent.name]:
        raise UserError(f"{CONFIG} names the model {config['name'][0]!r}, and its folder is {path.parent.name!r}")
    problems = config_problems(config, format, signature)
    if problems:
        raise UserError(f"{CONFIG} is not the model's: {'; '.join(problems)}")
    return TritonModel(path / "model.savedmodel" if format == "saved_model" else path, format, signature)


class TritonModel:
    """The model of the one version, loaded by the runtime of its format."""

    how = "layout and config.pbtxt checked by Triton's rules, the model called in a clean process; Triton not started"
    forms: tuple[str, ...] = ("npz",)

    def __init__(self, path: Path, format: str, signature: Signature) -> None:
        runtime, settings = runtimes()[format], RuntimeSettings()
        model = Artifact(path, format, "", signature)
        runtime.prepare(settings)
        self._session = runtime.open(runtime.read(model), model, settings)

    def ask(self, inputs: Arrays, form: str) -> Arrays:
        return self._session.run(inputs)
