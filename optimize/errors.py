"""The one error tree. The command line turns each class into its exit code at one boundary."""

from __future__ import annotations


class OptimizeError(Exception):
    """Something this tool says in words; never shown as a traceback."""

    exit_code = 3


class UserError(OptimizeError):
    """The command, the pipeline file or what it names is wrong (exit code 2).

    `key` is the dotted path in the pipeline file that the message is about (`source.weights`), or empty.
    """

    exit_code = 2

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.key = key


class Unsupported(OptimizeError):
    """A stage cannot take this model down this path. The text is the reason, with the upstream cause in it."""


class ToolError(OptimizeError):
    """The tool or the machine failed (exit code 3)."""


class Interrupted(OptimizeError):
    """The user stopped the run; what is in the store stands (exit code 130)."""

    exit_code = 130
