"""A Hugging Face folder: configuration, weights, and the tokenizer or image processor that tells the inputs.

Everything is read from the folder; nothing is fetched. The model computes in fp32, whatever its weights were saved as,
with attention in its plain form: that one exports on every path, and ONNX Runtime runs it fastest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from optimize.artifact import Artifact
from optimize.errors import UserError
from optimize.samples import Samples
from optimize.signature import Signature
from optimize.sources.base import SourceOptions
from optimize.sources.huggingface_files import KEY, check_trust, check_whole, find_weights, read_config
from optimize.sources.huggingface_inputs import draw_samples, infer_inputs
from optimize.sources.huggingface_masks import use_plain_masks
from optimize.sources.huggingface_tasks import TASKS, infer_task
from optimize.sources.modules import ModuleSource, first_line
from optimize.sources.modules import prepare as prepare
from optimize.stages import RuntimeSettings

kind = "huggingface"
libraries = ("transformers", "torch", "safetensors")
read_as = ("pytorch",)

READ = (".json", ".txt", ".model", ".safetensors", ".bin", ".py")


class Options(SourceOptions):
    """A folder as `save_pretrained` writes it; its inputs are those of its tokenizer or image processor."""

    kind: Literal["huggingface"] = "huggingface"
    folder: str
    """Holds `config.json`, the weights (safetensors, or `pytorch_model.bin` read with weights_only=True), and the
    tokenizer or image processor."""
    task: str | None = None
    """What the model is for, by optimum's names; told from the configuration's `architectures` where left out."""

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str | None) -> str | None:
        if value is not None and value not in TASKS:
            raise ValueError(f"{value!r} is not a task that is known here; one of {', '.join(TASKS)}")
        return value

    def paths(self) -> dict[str, str]:
        return {"folder": self.folder}

    def content(self, base: Path) -> dict[str, tuple[Path, ...]]:
        files = sorted(path for path in (base / self.folder).glob("*") if path.suffix in READ and path.is_file())
        return {path.name: (path,) for path in files}


def read(model: Artifact) -> Any:
    return build_module(model)


def open(loaded: Any, model: Artifact, settings: RuntimeSettings) -> HuggingFaceSource:
    inputs = model.signature.inputs or infer_inputs(loaded.model, model.path / model.options["folder"])
    return HuggingFaceSource(loaded, Signature(inputs, ranges=model.signature.ranges))


class HuggingFaceSource(ModuleSource):
    def samples(self, rows: int) -> Samples:
        return draw_samples(self.signature, self.module.model, rows)


def build_module(model: Artifact) -> Any:
    """The model in eval mode, called by keyword; it gives the task's outputs by name. Its `model` is transformers'."""
    folder, options = model.path / model.options["folder"], model.options
    config = read_config(folder)
    task = options["task"] or infer_task(config)
    weights = find_weights(folder)
    if not options["trust"]:
        check_trust(folder, config, weights)
    check_whole(folder, weights)
    loaded, missing = _load(folder, task, options["trust"])
    _check_missing(missing, folder, task, config)
    # `return_dict` names the outputs; without a cache a decoder is one pass from ids to logits.
    loaded.config.use_cache, loaded.config.return_dict = False, True
    return _answering(loaded.eval().requires_grad_(False), task)


def prepare_environment() -> None:
    """What transformers reads when it is imported: no network, and TensorFlow left alone."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "USE_TF": "0", "USE_FLAX": "0", "TOKENIZERS_PARALLELISM": "false"}


def _load(folder: Path, task: str, trust: bool) -> tuple[Any, list[str]]:
    """The model, and the names of its weights that the folder does not hold."""
    prepare_environment()
    import torch
    import transformers

    use_plain_masks()
    loader = getattr(transformers, TASKS[task].loader)
    try:
        model, loading = loader.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust, weights_only=not trust, dtype=torch.float32,
            attn_implementation="eager", output_loading_info=True,
        )  # fmt: skip
    except Exception as error:
        raise UserError(
            f"{folder} cannot be loaded as {loader.__name__}, for the task {task}: {type(error).__name__}: "
            f"{first_line(error)}",
            KEY,
        ) from error
    return model, sorted(loading["missing_keys"])


def _check_missing(missing: list[str], folder: Path, task: str, config: Mapping[str, Any]) -> None:
    """transformers draws weights that it misses at random. No task gives what a pooler computes but those that store
    its weights."""
    lacking = [name for name in missing if task != "feature-extraction" or "pooler" not in name]
    if lacking:
        raise UserError(
            f"{folder} holds no weights for {', '.join(lacking[:5])}, which the task {task} needs; it was saved as "
            f"{', '.join(config.get('architectures') or ['unknown'])}. Name the task it was trained for in source.task",
            "source.task",
        )


def _answering(loaded: Any, task: str) -> Any:
    import torch

    names = TASKS[task].outputs

    class Answering(torch.nn.Module):
        """Gives the task's outputs; all there are, where the architecture has none of them."""

        def __init__(self) -> None:
            super().__init__()
            self.model = loaded
            self.task = task

        def forward(self, **inputs: Any) -> Any:
            outputs = self.model(**inputs)
            return {name: outputs[name] for name in names if name in outputs} or dict(outputs)

    return Answering().eval()
