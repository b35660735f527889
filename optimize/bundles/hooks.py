"""The user's own `pre` and `post`: checked before anything is made, and called once when a bundle is booted.

`pre(body, content_type)` makes the model's inputs of a request, `post(outputs, accept)` a body of its outputs. With
`pre`, the golden is not what a client sends, so that the file also has `sample()`: a request, as (body, content type).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from optimize.bundles.messages import JSON
from optimize.errors import UserError
from optimize.execution.process import clean_environment
from optimize.sources.user_code import load_file

KEY = "bundle.code"
LIMIT_S = 120.0
EXPECTED = "`pre(body, content_type)` or `post(outputs, accept)`"

Send = Callable[[bytes, str, str], object]
"""A request's body, content type and accept; raises where the answer is not a 200."""


def check_hooks(path: Path) -> None:
    """Import it in a process of its own. Raises UserError with what is wrong, and what is expected."""
    command = [sys.executable, "-m", "optimize.bundles.hooks", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=clean_environment(), timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{path.name} was not imported within {LIMIT_S:.0f} s", KEY) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"its import ended the process with {done.returncode}"]
        raise UserError(lines[-1], KEY)


def require_functions(module: ModuleType, path: Path) -> None:
    """Raises UserError where the file has not what is called."""
    hooks = [name for name in ("pre", "post") if callable(getattr(module, name, None))]
    if not hooks:
        raise UserError(f"{path.name} has no function that is called; expected {EXPECTED}", KEY)
    if "pre" in hooks:
        if not callable(getattr(module, "sample", None)):
            raise UserError(
                f"{path.name} has `pre` and no `sample()`; with it a bundle is tried before it is emitted: let it give "
                f"a request as (body, content type), such as (Path('cat.jpg').read_bytes(), 'image/jpeg')",
                KEY,
            )
        module.pre(*read_sample_request(module, path))


def read_sample_request(module: ModuleType, path: Path) -> tuple[bytes, str]:
    """Raises UserError where `sample()` gives anything but a body and its content type."""
    given = module.sample()
    match given:
        case (str() | bytes() as body, str(content_type)):
            return (body.encode() if isinstance(body, str) else body), content_type
    raise UserError(f"sample() of {path.name} gives {type(given).__name__}; expected (body, content type)", KEY)


def hooks_of(folder: Path) -> str:
    """The module of the hooks in an unpacked bundle of ours; empty where there are none."""
    settings = folder / "code" / "signature.json"
    return str(json.loads(settings.read_text(encoding="utf-8")).get("hooks", "")) if settings.is_file() else ""


def hook_problems(folder: Path, send: Send, golden: bytes, origin: Path | None = None) -> list[str]:
    """One request through the hooks: that of `sample()`, or the golden where there is only `post`.

    `origin` is the user's own file, beside which lies what `sample()` may read.
    """
    try:
        send(*hooked_request(folder, golden, origin), JSON)
    except Exception as error:  # noqa: BLE001 - whatever a hook raises is what is wrong with the bundle
        return [f"with the hooks of {hooks_of(folder)}.py, a request is not answered: {error}"]
    return []


def hooked_request(folder: Path, golden: bytes, origin: Path | None = None) -> tuple[bytes, str]:
    """A request for the hooks of an unpacked bundle, and its content type; `golden` is JSON."""
    path = origin or folder / "code" / f"{hooks_of(folder)}.py"
    module = load_file(path, KEY)
    return read_sample_request(module, path) if hasattr(module, "pre") else (golden, JSON)


def main(path: Path) -> int:
    try:
        require_functions(load_file(path, KEY), path)
    except UserError as error:
        print(error.message, file=sys.stderr)
    except Exception as error:  # noqa: BLE001 - of the user's own code
        print(f"{path.name} raises on its own sample: {type(error).__name__}: {error}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
