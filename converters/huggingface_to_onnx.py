"""A Hugging Face folder to ONNX by optimum's exporter, which mends many architectures before it traces them. What it
does not take goes to the exporters of PyTorch.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.converters import onnx_finishing
from optimize.converters.pytorch_to_onnx import check, first_line
from optimize.errors import Unsupported, UserError
from optimize.signature import Signature, TensorSpec

reads = "huggingface"
makes = "onnx"
libraries = ("optimum-onnx", "optimum", "transformers", "torch", "onnx", "onnxruntime")
FILE = "model.onnx"
options = onnx_finishing.Options


def convert(model: Artifact, examples: Arrays, output: Path, options: onnx_finishing.Options) -> Made:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _export(model, examples, output / FILE, options)
            written = onnx_finishing.finish(output / FILE, options)
        check(output / FILE, model.signature)
    except UserError:
        raise
    except Exception as error:  # Whatever optimum's patches, and the tracing of what they patched, raise.
        raise Unsupported(f"optimum's exporter: {type(error).__name__}: {first_line(error)}") from error
    return Made(f"optimum's exporter, {written}")


def foresee(model: Artifact) -> str:
    """By the architecture's name. The exporters of PyTorch are tried next."""
    import json

    import optimum.exporters.onnx.model_configs  # noqa: F401  # It tells the tasks of the architectures it knows.
    from optimum.exporters.tasks import TasksManager

    config = json.loads((model.path / model.options["folder"] / "config.json").read_text(encoding="utf-8"))
    try:
        TasksManager.get_supported_tasks_for_model_type(config["model_type"], "onnx", library_name="transformers")
    except KeyError:
        return f"optimum's exporter has no configuration for the architecture {config['model_type']}"
    return ""


def _export(model: Artifact, examples: Arrays, path: Path, options: onnx_finishing.Options) -> None:
    from optimum.exporters.onnx import export

    from optimize.sources.huggingface import build_module

    module = build_module(model)
    config = _sign(_find_config(module), model.signature, examples)
    # The optimum of today fixes axes by its own names for them; these are the signature's.
    opset = options.opset_of(config.DEFAULT_ONNX_OPSET)
    export(module.model, config, path, opset=opset, disable_dynamic_axes_fix=True)


def _find_config(module: Any) -> Any:
    """optimum's export configuration for the architecture. Raises KeyError or ValueError where it has none."""
    from optimum.exporters.tasks import TasksManager

    loaded = module.model
    constructor = TasksManager.get_exporter_config_constructor(
        exporter="onnx", model=loaded, task=module.task, library_name="transformers"
    )
    return constructor(loaded.config)


def _sign(config: Any, signature: Signature, examples: Arrays) -> Any:
    """The configuration with the signature's names and dimensions in place of its own."""
    import torch

    class Signed(type(config)):  # type: ignore[misc]
        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            return {spec.name: _axes(spec) for spec in signature.inputs}

        @property
        def outputs(self) -> dict[str, dict[int, str]]:
            return {spec.name: _axes(spec) for spec in signature.outputs}

        def generate_dummy_inputs(self, framework: str = "pt", **sizes: int) -> dict[str, Any]:
            return {name: torch.from_numpy(examples[name]) for name in signature.input_names}

    config.__class__ = Signed
    return config


def _axes(spec: TensorSpec) -> dict[int, str]:
    return {axis: name for axis, name in enumerate(spec.shape) if isinstance(name, str)}
