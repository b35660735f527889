"""PyTorch: a factory and its weights."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.sources.base import InputSpec, SourceOptions
from optimize.sources.modules import ModuleSource, first_line
from optimize.sources.modules import prepare as prepare
from optimize.sources.user_code import load_reference, split_reference
from optimize.stages import RuntimeSettings

kind = "pytorch"
libraries = ("torch", "safetensors")
read_as = ("pytorch",)


class Options(SourceOptions):
    """A PyTorch model: a factory, and a state_dict in safetensors or a `.pt` file."""

    kind: Literal["pytorch"] = "pytorch"
    factory: str
    """What builds the module: `path/to/file.py:Name` or `package.module:Name`; a class or a function."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the factory."""
    weights: str
    """The state_dict: `.safetensors`, or `.pt`/`.pth` (read with weights_only=True)."""
    inputs: dict[str, InputSpec] = Field(min_length=1)
    """Inputs by name, in the order of `forward`."""

    @field_validator("factory")
    @classmethod
    def _reference(cls, value: str) -> str:
        split_reference(value)
        return value

    def paths(self) -> dict[str, str]:
        return {"weights": self.weights}

    def code(self) -> dict[str, str]:
        return {"factory": self.factory}


def read(model: Artifact) -> Any:
    return build_module(model)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> ModuleSource:
    return ModuleSource(loaded, model.signature)


def build_module(model: Artifact) -> Any:
    """The user's `nn.Module`, as the factory builds it, with its weights, in eval mode."""
    import torch

    options, base = model.options, model.path
    factory = load_reference(options["factory"], base, "source.factory")
    try:
        module = factory(**options["arguments"])
    except Exception as error:
        raise UserError(f"{options['factory']} failed: {type(error).__name__}: {error}", "source.factory") from error
    if not isinstance(module, torch.nn.Module):
        raise UserError(f"{options['factory']} gave a {type(module).__name__}, not an nn.Module", "source.factory")
    state = _read_state(base / options["weights"], trust=options["trust"])
    _load_state(module, state, options)
    # Gradients play no part here, and a quantized layer cannot be traced around a tensor that asks for one.
    return module.eval().requires_grad_(False)


def _read_state(path: Path, trust: bool) -> Mapping[str, Any]:
    import torch

    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path, trust)
    if trust and isinstance(state, torch.nn.Module):
        return state.state_dict()  # type: ignore[no-any-return]
    if not isinstance(state, Mapping):
        raise UserError(
            f"{path} holds a {type(state).__name__}, not a state_dict; save model.state_dict() instead",
            "source.weights",
        )
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state.get(wrapper), Mapping):
            return state[wrapper]  # type: ignore[no-any-return]
    return state


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)  # type: ignore[no-any-return]
    except SafetensorError as error:
        raise UserError(f"{path} is not a whole safetensors file: {error}", "source.weights") from error


def _read_pickle(path: Path, trust: bool) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        raise UserError(_pickle_message(path, error), "source.weights") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read as weights: {first_line(error)}", "source.weights") from error


def _pickle_message(path: Path, error: Exception) -> str:
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, IndexError):
        return f"{path} cannot be read as weights: {first_line(error)}"
    executed = ", ".join(names) or "code of its own"
    return (
        f"{path} is a pickle: opening it would execute {executed}. Save the state_dict as safetensors, "
        f"or, if you made this file yourself, put `trust: true` under `source`"
    )


def _load_state(module: Any, state: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    own = module.state_dict()
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if not missing and not unexpected:
        wrong = [f"{k}: {list(state[k].shape)} for {list(own[k].shape)}" for k in own if own[k].shape != state[k].shape]
        if not wrong:
            module.load_state_dict(state)
            return
        detail = f"of another shape: {_some(wrong)}"
    else:
        detail = "; ".join(
            f"{word}: {_some(keys)}" for word, keys in (("missing", missing), ("unexpected", unexpected)) if keys
        )
    raise UserError(
        f"{options['weights']} does not fit {options['factory']}({_arguments(options)}): {detail}", "source.weights"
    )


def _arguments(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in options["arguments"].items())


def _some(values: list[str], most: int = 5) -> str:
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")
