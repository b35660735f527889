"""The user's own functions before and after the model: `pre(body, content_type)` and `post(outputs, accept)`.

`pre` gives arrays by the names of the inputs, or one array where there is one input. `post` takes arrays by the names
of the outputs, and gives a body with its content type, or whatever JSON can write. A ValueError of either is the
request's fault: its words are answered with a 400.
"""

from __future__ import annotations

import json
import os
from typing import Any

from bundle_wire import JSON, Arrays, Refused, Settings, fit


def asked_past_hooks(content_type: str | None) -> bool:
    parameters = [part.strip().lower() for part in (content_type or "").split(";")[1:]]
    return "hooks=off" in parameters and os.environ.get("OPTIMIZE_HOOKS") == "optional"


def call_pre(hooks: Any, body: bytes | str, content_type: str | None, settings: Settings) -> Arrays:
    """What `pre` gives has to be what the signature says, as if it had come over the wire."""
    raw = body.encode() if isinstance(body, str) else bytes(body)
    try:
        given = hooks.pre(raw, content_type or JSON)
    except ValueError as error:
        raise Refused(str(error)) from None
    if not isinstance(given, dict) and len(settings.inputs) == 1:
        given = {settings.inputs[0].name: given}
    arrays: Arrays = fit(given, settings)
    return arrays


def call_post(hooks: Any, outputs: Arrays, accept: str | None) -> tuple[bytes, str]:
    try:
        given = hooks.post(outputs, accept or JSON)
    except ValueError as error:
        raise Refused(str(error)) from None
    if isinstance(given, tuple):
        body, content_type = given
        return (body.encode() if isinstance(body, str) else bytes(body)), content_type
    return json.dumps(given).encode(), JSON
