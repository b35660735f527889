"""Results that are kept beside what they are of, until that changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optimize.digests import digest_value


def kept(path: Path, content: Any, make: Callable[[], Any]) -> Any:
    """What `make` gave for the same content; called where nothing is kept for it."""
    key = digest_value(content)
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["key"] == key:
            return found["value"]
    value = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"key": key, "value": value}, indent=1), encoding="utf-8")
    return value
