"""Attention masks that every exporter takes.

transformers 4.57 computes the mask of a decoder under `vmap`, at which torch.jit.trace ends with `unordered_map::at`.
The same functions of indices give the same mask by broadcasting.
"""

from __future__ import annotations

from typing import Any


def use_plain_masks() -> None:
    """In this process, for attention in its plain form and for torch's own operator."""
    from transformers.masking_utils import AttentionMaskInterface

    AttentionMaskInterface.register("eager", plain_mask)
    AttentionMaskInterface.register("sdpa", allowed_mask)


def plain_mask(dtype: Any = None, **asked: Any) -> Any:
    """[batch, 1, queries, keys], 0 where attention is allowed and the least number elsewhere."""
    import torch

    dtype = dtype or torch.float32
    return torch.where(allowed_mask(**asked), torch.zeros((), dtype=dtype), torch.finfo(dtype).min)


def allowed_mask(
    batch_size: Any, cache_position: Any, kv_length: Any, kv_offset: Any = 0, mask_function: Any = None,
    attention_mask: Any = None, **others: Any,
) -> Any:  # fmt: skip
    """[batch, 1, queries, keys], true where attention is allowed.

    The parameters are those of transformers' own mask functions, which are called by keyword; `mask_function(batch,
    head, query, key)` says it of indices.
    """
    import torch
    from transformers.masking_utils import causal_mask_function, prepare_padding_mask

    device = cache_position.device
    row = torch.arange(batch_size, device=device)[:, None, None, None]
    key = (torch.arange(kv_length, device=device) + kv_offset)[None, None, None, :]
    query = cache_position[None, None, :, None]
    allowed = (mask_function or causal_mask_function)(row, torch.zeros_like(row), query, key)
    padding = prepare_padding_mask(attention_mask, kv_length, kv_offset)
    if padding is not None:
        allowed = allowed & padding[:, None, None, :].to(torch.bool)
    return allowed.expand(batch_size, 1, allowed.shape[2], allowed.shape[3])
