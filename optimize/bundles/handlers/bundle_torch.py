"""Between arrays by name and torch's tensors in order."""

from __future__ import annotations

from typing import Any

import torch
from bundle_wire import Arrays, Settings


def to_tensors(inputs: Arrays, settings: Settings) -> list[Any]:
    # Torch shares no memory that cannot be written, which the bytes of a request are.
    arrays = [inputs[spec.name] for spec in settings.inputs]
    return [torch.from_numpy(array if array.flags.writeable else array.copy()) for array in arrays]


def to_arrays(result: Any, settings: Settings) -> Arrays:
    tensors = (result,) if isinstance(result, torch.Tensor) else result
    return {spec.name: tensor.numpy() for spec, tensor in zip(settings.outputs, tensors, strict=True)}
