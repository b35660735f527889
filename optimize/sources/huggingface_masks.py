"""Attention masks that every exporter takes.

transformers 4.57 computes the mask of a decoder under `vmap`, at which torch.jit.trace ends with `unordered_map::at`.
The same functions of indices give the same mask by broadcasting.
"""

from __future__ import annotations

from typing import Any


def use_plain_masks() -> None:
    """In this process, for attention in its plain form."""
    from transformers.masking_utils import AttentionMaskInterface

    AttentionMaskInterface.register("eager", plain_mask)


def plain_mask(
    batch_size: Any, cache_position: Any, kv_length: Any, kv_offset: Any = 0, mask_function: Any = None,
    attention_mask: Any = None, dtype: Any = None, **others: Any,
) -> Any:  # fmt: skip
    """[batch, 1, queries, keys], 0 where attention is allowed and the least number elsewhere.

    The parameters are those of transformers' own mask functions, which are called by keyword; `mask_function(batch,
    head, query, key)` says of indices whether attention is allowed.
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
    dtype = dtype or torch.float32
    plain = torch.where(allowed, torch.zeros((), dtype=dtype), torch.finfo(dtype).min)
    return plain.expand(batch_size, 1, plain.shape[2], plain.shape[3])
