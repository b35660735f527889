"""Questions that load a library or a model, each in a process of its own: a crash there is an answer too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

LIMIT_S = 120
MARK = "answer: "
"""In front of the answer, so that what a library prints on its own is not taken for it."""


def ask(module: str, *arguments: str) -> Mapping[str, Any]:
    """What `module`, run as a program, says by `answer`; `problem` in words where it comes to no answer."""
    from optimize.execution.process import clean_environment

    command = [sys.executable, "-m", module, *arguments]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, env=clean_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"it was still loading after {LIMIT_S} s"}
    for line in ended.stdout.splitlines():
        if line.startswith(MARK):
            found: Mapping[str, Any] = json.loads(line.removeprefix(MARK))
            return found
    last = (ended.stderr.strip().splitlines() or [f"the process ended with status {ended.returncode}"])[-1]
    return {"problem": last[:300]}


def answer(question: Callable[[], Mapping[str, Any]]) -> int:
    """For that program's end: print what comes of the question. Gives the exit code."""
    try:
        found = question()
    except Exception as error:  # noqa: BLE001  Whatever a library raises about a file is the answer about it.
        found = {"problem": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    print(MARK + json.dumps(found))
    return 0
