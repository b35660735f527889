"""PyTorch: a factory and its weights."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from optimize.arrays import Arrays
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature
from optimize.sources.base import InputSpec, SourceOptions
from optimize.sources.user_code import load_reference, split_reference
from optimize.stages import RuntimeSettings

kind = "pytorch"
libraries = ("torch", "safetensors")


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


def prepare(settings: RuntimeSettings) -> None:
    import torch

    torch.set_num_threads(settings.threads)
    torch.set_num_interop_threads(1)


def read(model: Artifact) -> Any:
    return build_module(model)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> PyTorchSource:
    return PyTorchSource(loaded, model.signature)


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


def load_module(model: Artifact) -> Any:
    """The module as converters want it: the signature's inputs by position, a flat tuple of the signature's outputs
    (or the one tensor where there is one), in eval mode."""
    return PyTorchSource(build_module(model), model.signature).positional(model.signature)


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
        raise UserError(f"{path} cannot be read as weights: {_first_line(error)}", "source.weights") from error


def _pickle_message(path: Path, error: Exception) -> str:
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, IndexError):
        return f"{path} cannot be read as weights: {_first_line(error)}"
    executed = ", ".join(names) or "code of its own"
    return (
        f"{path} is a pickle: opening it would execute {executed}. Save the state_dict as safetensors, "
        f"or, if you made this file yourself, put `trust: true` under `source`"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


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


class PyTorchSource:
    """The user's module behind arrays by name."""

    def __init__(self, module: Any, signature: Signature) -> None:
        import torch

        self.module = module
        self.signature = Signature(signature.inputs)
        self.threads: int | None = torch.get_num_threads()
        self._by_keyword = _takes_by_keyword(self.module, self.signature)

    def run(self, inputs: Arrays) -> Arrays:
        import torch

        tensors = [torch.from_numpy(inputs[name]) for name in self.signature.input_names]
        with torch.inference_mode():
            try:
                result = self.call(tensors)
            except Exception as error:
                given = ", ".join(f"{name}: {a.dtype.name}{list(a.shape)}" for name, a in inputs.items())
                message = f"the model refuses its signature ({given}): {type(error).__name__}: {_first_line(error)}"
                raise UserError(message, "source.inputs") from error
        return {name: tensor.detach().numpy() for name, tensor in flatten(result).items()}

    def call(self, tensors: list[Any], module: Any = None) -> Any:
        """`module` stands in for the source's own where a stage has changed it."""
        module = self.module if module is None else module
        if self._by_keyword:
            return module(**dict(zip(self.signature.input_names, tensors, strict=True)))
        return module(*tensors)

    def positional(self, signature: Signature) -> Any:
        import torch

        source, names = self, signature.output_names

        class Positional(torch.nn.Module):
            """`model` is the user's own module; stages may replace it, or parts of it, by what they make of it."""

            def __init__(self) -> None:
                super().__init__()
                self.model = source.module

            def forward(self, *inputs: Any) -> Any:
                outputs = flatten(source.call(list(inputs), self.model))
                return outputs[names[0]] if len(names) == 1 else tuple(outputs[name] for name in names)

        return Positional().eval()


def _takes_by_keyword(module: Any, signature: Signature) -> bool:
    """Whether `forward` has parameters of exactly these names; if not, they go by position."""
    try:
        inspect.signature(module.forward).bind(**dict.fromkeys(signature.input_names))
    except (TypeError, ValueError):
        return False
    return True


def flatten(result: Any, name: str = "") -> dict[str, Any]:
    """Tensors by name out of a tensor, tuple, list, mapping, dataclass, nested.

    One tensor is `output`; items of a tuple are `output_0`, `output_1`; keys and fields keep their names, joined by `_`
    where nested. What is None or no tensor is left out.
    """
    import torch

    if isinstance(result, torch.Tensor):
        return {name or "output": result}
    if isinstance(result, Mapping):
        pairs = [(str(key), value) for key, value in result.items()]
    elif hasattr(result, "__dataclass_fields__"):
        pairs = [(key, getattr(result, key)) for key in result.__dataclass_fields__]
    elif isinstance(result, (list, tuple)):
        keys = getattr(result, "_fields", None) or [f"{'' if name else 'output_'}{i}" for i in range(len(result))]
        pairs = list(zip(keys, result, strict=True))
    else:
        return {}
    flat: dict[str, Any] = {}
    for key, value in pairs:
        flat |= flatten(value, f"{name}_{key}" if name else key)
    return flat
