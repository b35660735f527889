"""What a converter has to say against this very model, without converting it: the knowledge is each converter's own, in
its `foresee`. `python -m optimize.newcomers.foreseeing CONVERTER KIND PATH SIGNATURE` asks one of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from optimize import stages
from optimize.newcomers.asking import answer, ask
from optimize.newcomers.paths import Way
from optimize.signature import Signature


def refusals(kind: str, path: Path, found: Mapping[str, Any], ways: Iterable[Way]) -> dict[str, str]:
    """Converter to its reason, of those on the `ways` that can tell. `found` is what `details` says of the model.

    One that starts from what another makes is not asked: there is no such thing yet.
    """
    able = dict.fromkeys(name for way in ways if not way.missing for name in way.stages if _can_tell(name, kind))
    signature = json.dumps({side: found.get(side, []) for side in ("inputs", "outputs")})
    asked = {name: ask(__name__, name, kind, str(path), signature) for name in able}
    # What it cannot even look at, it cannot convert.
    said = {name: one.get("refusal") or one.get("problem", "") for name, one in asked.items()}
    return {name: reason for name, reason in said.items() if reason}


def _can_tell(name: str, kind: str) -> bool:
    from optimize.sources.base import sources

    converter = stages.converters().get(name)
    if converter is None or not hasattr(converter, "foresee"):
        return False
    return converter.reads in (kind, *sources()[kind].read_as)


def _foresee(name: str, kind: str, path: Path, signature: Signature) -> Mapping[str, str]:
    from optimize.newcomers.opening import source_artifact

    converter: Any = stages.converters()[name]
    refusal: str = converter.foresee(source_artifact(kind, path, signature))
    return {"refusal": " ".join(refusal.split())}


if __name__ == "__main__":
    name, kind, path, signature = sys.argv[1:]
    sys.exit(answer(lambda: _foresee(name, kind, Path(path), Signature.from_json(json.loads(signature)))))
