"""The process a step runs in: `python -m optimize.execution.worker FOLDER`.

FOLDER holds `request.json`; what the step makes goes into FOLDER/files, and how it ended into FOLDER/result.json, whole
or not at all. With a request that has already been carried out, give a second folder to carry it out again there.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from optimize.benchmarks.worker import peak_bytes
from optimize.errors import Unsupported, UserError
from optimize.execution.request import Request
from optimize.execution.steps import STEPS
from optimize.store import State


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    if len(arguments) > 1:
        folder = _copy(folder, Path(arguments[1]))
    else:
        die_with_parent()
    result = _carry_out(folder) | {"peak_bytes": peak_with_children()}
    text = json.dumps(result, indent=1, sort_keys=True, allow_nan=False)
    partial = folder / ".result.json"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / "result.json")
    print(f"{result['state']}: {result['reason'] or result['payload']}")
    return 0 if result["state"] == State.OK else 1


def peak_with_children() -> int:
    """As this process itself sees it: what its parent is told starts from the parent's own size (Linux carries it over
    into a new program), which says nothing of a step."""
    import resource

    unit = 1024 if sys.platform == "linux" else 1
    return max(peak_bytes(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)


def die_with_parent() -> None:
    """Linux kills this process when the command that started it dies, even by `kill -9`."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1 and os.environ.get("OPTIMIZE_PARENT") not in (None, "1"):
            sys.exit("the command that started this step is gone")


def _copy(done: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(done / "request.json", folder)
    return folder


def _carry_out(folder: Path) -> dict[str, Any]:
    request = Request.read(folder / "request.json")
    output = folder / "files"
    output.mkdir(exist_ok=True)
    try:
        payload = STEPS[request.stage](request, output)
    except Unsupported as error:
        return _result(State.UNSUPPORTED, str(error))
    except UserError as error:
        return _result(State.FAILED, error.message) | {"user_error": {"message": error.message, "key": error.key}}
    except MemoryError as error:
        traceback.print_exc()
        return _result(State.OUT_OF_MEMORY, f"MemoryError: {error}" if str(error) else "MemoryError")
    except Exception as error:  # noqa: BLE001
        # The boundary of a step: whatever a library raises becomes the state of this one candidate.
        traceback.print_exc()
        state = State.OUT_OF_MEMORY if "can't allocate memory" in str(error) else State.FAILED
        return _result(state, summarize(error))
    return _result(State.OK, "") | {"payload": payload}


def summarize(error: BaseException, most: int = 300) -> str:
    """Type and first line of the message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= most else text[: most - 3] + "..."


def _result(state: State, reason: str) -> dict[str, Any]:
    return {"state": state.value, "reason": reason, "payload": {}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
