"""The TensorFlow container: TensorFlow Serving, which finds a model by its folder's number and needs no code."""

from __future__ import annotations

from pathlib import Path

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.bundles.layout import link_files
from optimize.errors import UserError
from optimize.runtimes import saved_model
from optimize.signature import Signature
from optimize.stages import RuntimeSettings, Service, ServingSettings

container = "tensorflow"
formats = ("saved_model",)
libraries = ("tensorflow-cpu", "tensorflow")
takes_code = False


def lay_out(model: Artifact, settings: ServingSettings, folder: Path) -> None:
    # All versions that are found get loaded, so there is one.
    link_files(model.path, folder / "1")


def find_models(folder: Path) -> list[Path]:
    """The container's rule: every folder with a `saved_model.pb` whose name is a number, at any depth."""
    return sorted(path.parent for path in folder.rglob("saved_model.pb") if path.parent.name.isdigit())


def open_folder(folder: Path, signature: Signature) -> Service:
    """Raises UserError where the container would find no model, or more than one."""
    found = find_models(folder)
    if len(found) != 1:
        listed = ", ".join(path.relative_to(folder).as_posix() for path in found) or "none"
        raise UserError(f"the TensorFlow container finds {listed}; expected one folder 1/ with saved_model.pb in it")
    return SavedModelService(found[0], signature)


class SavedModelService:
    """The `serving_default` signature of the model the container would find, called with tensors."""

    how = "the model found by the TensorFlow container's rule, its signature called in a clean process"
    forms: tuple[str, ...] = ("npz",)

    def __init__(self, folder: Path, signature: Signature) -> None:
        model = Artifact(folder, "saved_model", "", signature)
        saved_model.prepare(RuntimeSettings())
        self._session = saved_model.open(saved_model.read(model), model, RuntimeSettings())

    def ask(self, inputs: Arrays, form: str) -> Arrays:
        return self._session.run(inputs)
