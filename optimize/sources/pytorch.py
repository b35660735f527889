"""PyTorch: a factory and its weights."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.sources.base import FurtherMethods, InputSpec, SourceOptions
from optimize.sources.modules import ModuleSource
from optimize.sources.modules import prepare as prepare
from optimize.sources.pytorch_weights import fit, read_weights, shards
from optimize.sources.user_code import code_closure, load_reference, split_reference
from optimize.stages import RuntimeSettings

kind = "pytorch"
libraries = ("torch", "safetensors")
read_as = ("pytorch",)


class Options(SourceOptions):
    """A PyTorch model: a factory, and a state_dict in safetensors or a `.pt` file; or a whole pickled module."""

    kind: Literal["pytorch"] = "pytorch"
    factory: str | None = None
    """What builds the module: `path/to/file.py:Name` or `package.module:Name`; a class or a function. It may be left
    out only where `weights` is a whole module that was pickled, and `trust` is set."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the factory."""
    weights: str
    """The state_dict: `.safetensors`, or `.pt`/`.pth` (read with weights_only=True), or the `.index.json` of a sharded
    one. Its keys must be exactly the module's."""
    weights_key: str | None = None
    """Where the state_dict stands in a training checkpoint that holds more, an optimizer say."""
    inputs: dict[str, InputSpec] = Field(min_length=1)
    """Inputs by name, in the order of `forward`."""
    methods: FurtherMethods = Field(default={})
    """Further methods of the module, by the name of the signature under which a SavedModel serves each: `encode:
    encode_text`. Each takes some of the inputs, by its parameters' names."""

    @field_validator("factory")
    @classmethod
    def _reference(cls, value: str | None) -> str | None:
        if value is not None:
            split_reference(value)
        return value

    @model_validator(mode="after")
    def _something_builds_it(self) -> Self:
        if self.factory is None and not self.trust:
            raise ValueError(
                "name what builds the model (`factory: model.py:Net`), or, if `weights` is a whole pickled module that "
                "you made yourself, put `trust: true`"
            )
        return self

    def paths(self) -> dict[str, str]:
        return {"weights": self.weights}

    def code(self) -> dict[str, str]:
        return {"factory": self.factory} if self.factory is not None else {}

    def content(self, base: Path) -> dict[str, tuple[Path, ...]]:
        files = {**super().content(base), "weights": shards(base / self.weights)}
        if self.factory is None:
            files["code"] = tuple(sorted({file for module in base.glob("*.py") for file in code_closure(module)}))
        return files


def read(model: Artifact) -> Any:
    return build_module(model)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> ModuleSource:
    return ModuleSource(loaded, model.signature, model.options["methods"])


def build_module(model: Artifact) -> Any:
    """The user's `nn.Module` with its weights, in eval mode: from the factory, or pickled whole in a trusted file."""
    import torch

    options, base = model.options, model.path
    if options["factory"] is None:
        sys.path.insert(0, str(base))  # A pickle names the file that defines its class.
    state = read_weights(base / options["weights"], options["weights_key"], options["trust"])
    if options["factory"] is not None:
        module = _call_factory(options, base)
        what = f"{options['weights']} does not fit {options['factory']}({_arguments(options)})"
        fit(module, state.state_dict() if isinstance(state, torch.nn.Module) else state, what, options["weights"])
    elif isinstance(state, torch.nn.Module):
        module = state
    else:
        raise UserError(
            f"{options['weights']} holds weights alone, and no model; name what builds it: `factory: model.py:Net`",
            "source.factory",
        )
    # Gradients play no part here, and a quantized layer cannot be traced around a tensor that asks for one.
    return module.eval().requires_grad_(False)


def _call_factory(options: Mapping[str, Any], base: Path) -> Any:
    import torch

    factory = load_reference(options["factory"], base, "source.factory")
    try:
        module = factory(**options["arguments"])
    except Exception as error:
        raise UserError(f"{options['factory']} failed: {type(error).__name__}: {error}", "source.factory") from error
    if not isinstance(module, torch.nn.Module):
        raise UserError(f"{options['factory']} gave a {type(module).__name__}, not an nn.Module", "source.factory")
    return module


def _arguments(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in options["arguments"].items())
