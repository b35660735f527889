"""A TensorFlow SavedModel, run by one of its signatures; TensorFlow is loaded without Keras."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from optimize.arrays import Arrays, as_text, dtype_name
from optimize.artifact import Artifact
from optimize.digests import files_below
from optimize.errors import UserError
from optimize.runtimes.saved_model import SIGNATURE, import_loader
from optimize.runtimes.saved_model import prepare as prepare
from optimize.signature import Signature, TensorSpec
from optimize.sources.base import DTYPES, FurtherMethods, SourceOptions
from optimize.sources.inferred import has_shape_of, infer_input, lie
from optimize.stages import RuntimeSettings

kind = "saved_model"
libraries = ("tensorflow-cpu", "tensorflow")
read_as = ()
FILES = ("saved_model.pb", "saved_model.pbtxt")
AGAIN = "copy it again with all that lies in it, or save it again"
UNKNOWN = re.compile(r"Op type not registered '([^']+)'")


class Options(SourceOptions):
    """A SavedModel; its inputs are those of its signature."""

    kind: Literal["saved_model"] = "saved_model"
    folder: str
    """The SavedModel, or a folder of numbered versions as TensorFlow Serving reads it: the highest is taken."""
    version: PositiveInt | None = None
    """Another version than the highest."""
    signature_key: str = Field(default=SIGNATURE, alias="signature")
    """The signature that is called."""
    methods: FurtherMethods = Field(default={})
    """Further signatures that a SavedModel keeps, by the name that each is to have: `encode: encode_text`. Each takes
    some of the signature's inputs, by name."""

    def paths(self) -> dict[str, str]:
        return {"folder": self.folder}

    def content(self, base: Path) -> dict[str, tuple[Path, ...]]:
        return {"folder": tuple(files_below(base / self.folder))}


def read(model: Artifact) -> Any:
    """The signature's function; TensorFlow keeps the model's variables alive through what it was loaded from."""
    import_loader()
    from tensorflow.python.saved_model.load import load

    folder, key = find_folder(model), model.options["signature_key"]
    graph = serving_graph(folder)
    _check_signature(graph, key, folder, "source.signature")
    for name, other in model.options["methods"].items():
        _check_signature(graph, other, folder, f"source.methods.{name}")
    try:
        loaded = load(str(folder), tags=list(graph.meta_info_def.tags))
    except Exception as error:  # TensorFlow raises errors of many kinds, with no common base, for a damaged model.
        raise _cannot_load(folder, error) from error
    return loaded, loaded.signatures[key]


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> SavedModelSource:
    return SavedModelSource(loaded, model.signature, model.options["methods"])


def find_folder(model: Artifact) -> Path:
    """Where the files of the version that is wanted lie."""
    folder: Path = model.path / model.options["folder"]
    version = model.options["version"]
    if not version and _is_one(folder):
        return folder
    below = folder.iterdir() if folder.is_dir() else ()
    numbers = sorted(int(path.name) for path in below if path.name.isdigit() and _is_one(path))
    if version and version not in numbers:
        there = ", ".join(map(str, numbers)) or "none"
        raise UserError(f"{folder} has no version {version}; there are: {there}", "source.version")
    if not numbers:
        raise UserError(
            f"{folder} is no SavedModel: expected saved_model.pb in it, or in a folder below it named by a number",
            "source.folder",
        )
    return folder / str(version or numbers[-1])


def _is_one(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILES)


def serving_graph(folder: Path) -> Any:
    """The MetaGraph that is for serving, where there are several."""
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    try:
        graphs = parse_saved_model(str(folder)).meta_graphs
    except OSError as error:
        raise UserError(
            f"{folder} is not a whole SavedModel: {_short(error)}; copy it again", "source.folder"
        ) from error
    if not graphs:
        raise UserError(f"{folder} is not a whole SavedModel: it holds no graph; copy it again", "source.folder")
    return next((graph for graph in graphs if "serve" in graph.meta_info_def.tags), graphs[0])


def _not_whole(folder: Path, problem: str) -> UserError:
    return UserError(f"{folder} is not a whole SavedModel: {problem}; copy it again", "source.folder")


def _check_signature(graph: Any, key: str, folder: Path, place: str) -> None:
    keys = sorted(name for name in graph.signature_def if not name.startswith("__"))
    if not keys:
        raise UserError(
            f"{folder} has no signatures, so that nothing says what it takes; save it with tf.saved_model.save(model, "
            f"folder, signatures={{'{SIGNATURE}': function}}), or a Keras model with model.export(folder)",
            "source.folder",
        )
    if key not in keys:
        raise UserError(f"{folder} has no signature {key!r}; write one of {', '.join(keys)}", place)


def _cannot_load(folder: Path, error: Exception) -> UserError:
    unknown = UNKNOWN.search(str(error))
    if unknown:
        return UserError(
            f"{folder} uses the operator {unknown[1]}, which TensorFlow itself does not have: it comes from a library "
            f"of custom operators, and such a model cannot be converted here",
            "source.folder",
        )
    return UserError(f"{folder} cannot be loaded: {type(error).__name__}: {_short(error)}; {AGAIN}", "source.folder")


class SavedModelSource:
    """`methods` are further signatures, by the name that each is to have."""

    def __init__(self, loaded: tuple[Any, Any], signature: Signature, methods: Mapping[str, str]) -> None:
        from tensorflow.python.framework import config, constant_op

        self._loaded, self._function = loaded  # The function holds its variables weakly.
        self._constant = constant_op.constant
        self.signature = Signature(_find_inputs(self._function, signature), ranges=signature.ranges)
        self.threads: int | None = config.get_intra_op_parallelism_threads()
        self._further = {name: self._loaded.signatures[key] for name, key in methods.items()}
        self.methods = {name: self._inputs_of(name, function) for name, function in self._further.items()}
        """Name to what the signature takes."""

    def _inputs_of(self, name: str, function: Any) -> tuple[TensorSpec, ...]:
        taken = function.structured_input_signature[1]
        foreign = [key for key in taken if key not in self.signature.input_names]
        if foreign:
            there = ", ".join(self.signature.input_names)
            raise UserError(
                f"it takes {', '.join(foreign)}, and the inputs of a further signature must be among those of the one "
                f"that is called: {there}",
                f"source.methods.{name}",
            )
        return tuple(spec for spec in self.signature.inputs if spec.name in taken)

    def run_method(self, name: str, inputs: Arrays) -> Arrays:
        return _outputs(self._further[name](**{key: self._constant(array) for key, array in inputs.items()}))

    def run(self, inputs: Arrays) -> Arrays:
        try:
            result = self._function(**{name: self._constant(inputs[name]) for name in self.signature.input_names})
        except Exception as error:  # TensorFlow raises errors of many kinds, with no common base.
            given = ", ".join(f"{name}: {dtype_name(a.dtype)}{list(a.shape)}" for name, a in inputs.items())
            message = f"the model refuses its signature ({given}): {type(error).__name__}: {_short(error)}"
            raise UserError(message, "source.inputs") from error
        return _outputs(result)


def _find_inputs(function: Any, declared: Signature) -> tuple[TensorSpec, ...]:
    """As the file declares them, which must be as the model takes them; their order is the file's."""
    specs: Mapping[str, Any] = function.structured_input_signature[1]
    given = {spec.name: spec for spec in declared.inputs}
    if given and given.keys() != specs.keys():
        raise UserError(f"the file names {', '.join(given)}, and the model takes {', '.join(specs)}", "source.inputs")
    ranked = {name: spec for name, spec in specs.items() if spec.shape.rank is not None}
    own = {n: infer_input(n, _dtype(s.dtype), s.shape.as_list(), "source.folder") for n, s in ranked.items()}
    missing = [name for name in specs if name not in own]
    if missing and not given:
        raise UserError(
            f"the model takes {', '.join(missing)} of any number of dimensions; write all of `inputs`, such as inputs: "
            f"{{{missing[0]}: {{dtype: {_dtype(specs[missing[0]].dtype)}, shape: [batch, 4]}}}}",
            "source.inputs",
        )
    for name, spec in own.items():
        if given and (given[name].dtype != spec.dtype or not has_shape_of(given[name], spec)):
            raise lie(given[name], spec)
    return declared.inputs or tuple(own.values())


def _dtype(dtype: Any) -> str:
    return "str" if dtype.name == "string" else str(dtype.name)


def _outputs(result: Mapping[str, Any]) -> Arrays:
    """By name, what NumPy has a type for."""
    kept = {name: as_text(tensor.numpy()) for name, tensor in result.items() if _dtype(tensor.dtype) in DTYPES}
    if not kept:
        kinds = ", ".join(f"{name}: {tensor.dtype.name}" for name, tensor in result.items())
        raise UserError(f"the signature gives nothing that can be compared: {kinds}", "source.signature")
    return kept


def _short(error: object) -> str:
    return " ".join(str(error).split())[:300]
