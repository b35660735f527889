"""Sources that are, or can be turned into, a `torch.nn.Module`: what converters that read `pytorch` start from."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from optimize.arrays import Arrays, dtype_name
from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.signature import Signature, TensorSpec
from optimize.sources.huggingface_masks import use_plain_masks
from optimize.stages import RuntimeSettings, stages

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def prepare(settings: RuntimeSettings) -> None:
    import torch

    torch.set_num_threads(settings.threads)
    torch.set_num_interop_threads(1)


def module_source(model: Artifact) -> ModuleSource:
    """The source as its own kind builds it: in eval mode, with no parameter that asks for a gradient."""
    module = stages("sources")[model.format].build_module(model)
    if "transformers.masking_utils" in sys.modules:
        use_plain_masks()
    return ModuleSource(module, model.signature, model.options.get("methods", {}))


def load_module(model: Artifact) -> Any:
    """The module as converters want it: the signature's inputs by position, a flat tuple of the signature's outputs
    (or the one tensor where there is one), in eval mode."""
    return module_source(model).positional(model.signature)


class ModuleSource:
    """A module behind arrays by name. `methods` are further methods of it, by the name that each is to have."""

    def __init__(self, module: Any, signature: Signature, methods: Mapping[str, str] | None = None) -> None:
        import torch

        self.module = module
        self.signature = Signature(signature.inputs)
        self.threads: int | None = torch.get_num_threads()
        self._by_keyword = _takes_by_keyword(self.module, self.signature)
        self._attributes = methods or {}
        self.methods = {name: self._inputs_of(name) for name in self._attributes}
        """Name to what the method takes."""

    def _inputs_of(self, name: str) -> tuple[TensorSpec, ...]:
        attribute = self._attributes[name]
        method = getattr(self.module, attribute, None)
        if not inspect.ismethod(method):
            raise UserError(f"{type(self.module).__name__} has no method {attribute}", f"source.methods.{name}")
        parameters = inspect.signature(method).parameters
        given = {spec.name: spec for spec in self.signature.inputs if spec.name in parameters}
        needed = [key for key, one in parameters.items() if one.default is one.empty and one.kind in NAMED]
        if not given or not given.keys() >= set(needed):
            taken, there = ", ".join(parameters) or "nothing", ", ".join(self.signature.input_names)
            raise UserError(
                f"{attribute} takes {taken}, and its parameters must be among the inputs by name: {there}",
                f"source.methods.{name}",
            )
        return tuple(given.values())

    def run_method(self, name: str, inputs: Arrays) -> Arrays:
        import torch

        with torch.inference_mode():
            try:
                tensors = {key: torch.from_numpy(array.copy()) for key, array in inputs.items()}
                result = getattr(self.module, self._attributes[name])(**tensors)
            except Exception as error:
                message = f"{self._attributes[name]} refuses them: {type(error).__name__}: {first_line(error)}"
                raise UserError(message, f"source.methods.{name}") from error
        return {key: tensor.detach().numpy() for key, tensor in flatten(result).items()}

    def run(self, inputs: Arrays) -> Arrays:
        import torch

        with torch.inference_mode():
            try:
                result = self.call([torch.from_numpy(inputs[name]) for name in self.signature.input_names])
            except Exception as error:
                given = ", ".join(f"{name}: {dtype_name(a.dtype)}{list(a.shape)}" for name, a in inputs.items())
                message = f"the model refuses its signature ({given}): {type(error).__name__}: {first_line(error)}"
                raise UserError(message, "source.inputs") from error
        return {name: tensor.detach().numpy() for name, tensor in flatten(result).items()}

    def call(self, tensors: list[Any], module: Any = None) -> Any:
        """`module` stands in for the source's own where a stage has changed it."""
        module = self.module if module is None else module
        if self._by_keyword:
            return module(**dict(zip(self.signature.input_names, tensors, strict=True)))
        return module(*tensors)

    def positional(self, signature: Signature, method: str = "") -> Any:
        """A module of these inputs by position; `method` is the name of a further one, which it calls."""
        import torch

        source, names, attribute = self, signature.output_names, self._attributes.get(method, "")

        def call(module: Any, tensors: list[Any]) -> Any:
            if attribute:
                return getattr(module, attribute)(**dict(zip(signature.input_names, tensors, strict=True)))
            return source.call(tensors, module)

        class Positional(torch.nn.Module):
            """`model` is the user's own module; stages may replace it, or parts of it, by what they make of it."""

            def __init__(self) -> None:
                super().__init__()
                self.model = source.module

            def forward(self, *inputs: Any) -> Any:
                outputs = flatten(call(self.model, list(inputs)))
                return outputs[names[0]] if len(names) == 1 else tuple(outputs[name] for name in names)

        return Positional().eval()


def _takes_by_keyword(module: Any, signature: Signature) -> bool:
    """Whether `forward` has parameters of exactly these names; if not, they go by position."""
    try:
        inspect.signature(module.forward).bind(**dict.fromkeys(signature.input_names))
    except (TypeError, ValueError):
        return False
    return True


def flatten(result: Any, name: str = "", tensor: Any = None) -> dict[str, Any]:
    """Tensors by name out of a tensor, tuple, list, mapping, dataclass, nested.

    One tensor is `output`; items of a tuple are `output_0`, `output_1`; keys and fields keep their names, joined by `_`
    where nested. What is None or no tensor is left out. `tensor` is another framework's class of tensors.
    """
    if tensor is None:
        import torch

        tensor = torch.Tensor
    if isinstance(result, tensor):
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
        flat |= flatten(value, f"{name}_{key}" if name else key, tensor)
    return flat


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
