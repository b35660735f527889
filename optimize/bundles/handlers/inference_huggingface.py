"""The functions that SageMaker's Hugging Face toolkit calls. It answers with the content type that was asked for."""

from __future__ import annotations

from typing import Any

from bundle_handler import answer, load


def model_fn(model_dir: str) -> Any:
    return load(model_dir)


def transform_fn(model: Any, body: bytes | str, content_type: str, accept: str) -> bytes:
    written: tuple[bytes, str] = answer(model, body, content_type, accept)
    return written[0]
