"""The inputs of a Hugging Face model, and random ones that it can take."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from optimize.data import random_rows
from optimize.errors import UserError
from optimize.samples import Samples
from optimize.signature import Signature, TensorSpec
from optimize.sources.modules import first_line

LENGTH = 32
"""Tokens of drawn samples: the logits of a language model over 50,000 words and 32 rows of them are 200 MB."""
IMAGE = 224
"""Height and width of drawn images where the model takes any."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model")


def infer_inputs(model: Any, folder: Path) -> tuple[TensorSpec, ...]:
    """In the order of the model's own parameters. Raises UserError (`source.inputs`) where they cannot be told."""
    takes = list(inspect.signature(model.forward).parameters)
    if "pixel_values" in takes and "input_ids" not in takes:
        return (_image(model.config),)
    names = _token_inputs(folder)
    specs = [TensorSpec(name, "int64", ("batch", "sequence")) for name in takes if name in names]
    if "decoder_input_ids" in takes:
        specs.append(TensorSpec("decoder_input_ids", "int64", ("batch", "decoder_sequence")))
    if "input_ids" in takes and "pixel_values" not in takes:
        return tuple(specs)
    raise UserError(
        f"the inputs of {type(model).__name__} cannot be told from its tokenizer; name those you use under "
        f"source.inputs; it takes {', '.join(takes)}",
        "source.inputs",
    )


def _image(config: Any) -> TensorSpec:
    size = getattr(config, "image_size", None)
    height, width = size if isinstance(size, list | tuple) else (size, size)
    channels = getattr(config, "num_channels", 3)
    return TensorSpec("pixel_values", "float32", ("batch", channels, height or "height", width or "width"))


def _token_inputs(folder: Path) -> tuple[str, ...]:
    """What the tokenizer gives; the usual two where the folder has none."""
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return ("input_ids", "attention_mask")
    try:
        return tuple(AutoTokenizer.from_pretrained(folder, local_files_only=True).model_input_names)
    except Exception as error:  # Tokenizers raise bare exceptions of their Rust library too.
        raise UserError(
            f"the tokenizer in {folder} cannot be loaded: {first_line(error)}; mend it, or name the inputs under "
            f"source.inputs",
            "source.inputs",
        ) from error


def draw_samples(signature: Signature, model: Any, rows: int) -> Samples:
    """Token ids of the vocabulary, padded on the right as batches are, so that a mask that gets lost shows as drift."""
    import numpy as np

    config, rng = model.config, np.random.default_rng(0)
    # Half of the positions: some models count theirs from behind the padding id.
    length = min(LENGTH, (getattr(config, "max_position_embeddings", None) or 2 * LENGTH) // 2)
    sizes = {name: IMAGE if name in ("height", "width") else length for name in signature.dimensions}
    arrays = random_rows(signature, rows, sizes).arrays
    for name, array in arrays.items():
        if name.endswith("input_ids"):
            arrays[name] = rng.integers(0, _vocabulary(model), array.shape).astype(array.dtype)
        elif name.endswith("attention_mask"):
            arrays[name] = _padding(rows, array.shape[1], rng).astype(array.dtype)
        elif name == "position_ids":
            arrays[name] = np.broadcast_to(np.arange(array.shape[1], dtype=array.dtype), array.shape)
        elif name == "token_type_ids":
            arrays[name] = np.zeros_like(array)
    return Samples(arrays)


def _vocabulary(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[0])


def _padding(rows: int, length: int, rng: Any) -> Any:
    """The first row is whole, and every other at least half."""
    import numpy as np

    ends = rng.integers((length + 1) // 2, length + 1, rows)
    ends[0] = length
    return np.arange(length)[None, :] < ends[:, None]
