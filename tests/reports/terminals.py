"""A process on a pseudo-terminal of a given width, and what it drew there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COLOURS = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")


@dataclass(frozen=True)
class Drawn:
    text: str
    status: int

    @property
    def lines(self) -> list[str]:
        return plain(self.text)


def on_terminal(command: Sequence[str], columns: int, cwd: Path | None = None, **variables: str) -> Drawn:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in COLOURS} | {"TERM": "xterm-256color"} | variables
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=cwd)
    os.close(slave)
    drawn = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux says so when the other end is gone.
            break
        if not part:
            break
        drawn += part
    os.close(master)
    return Drawn(drawn.decode("utf-8"), process.wait())


def plain(drawn: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "").split("\n")
