"""The command line: which commands there are, and the one place where errors become exit codes.

Each command lives in a module of `optimize.commands` and is imported when it is called; `optimize --help` reads the
table below and imports nothing else.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from optimize import __version__
from optimize.errors import OptimizeError
from optimize.printing import say

COMMANDS = {
    "init": "Look at a model and write a pipeline file for it.",
    "inspect": "Say what a model is, and what can be made of it.",
    "run": "Make, check, measure, choose and bundle.",
    "plan": "Print what `run` would do.",
    "verify": "Check a model.tar.gz against its own manifest, running nothing of it.",
    "serve": "Leave a model.tar.gz running on loopback, with a ready curl line.",
    "deploy": "Put a model.tar.gz on a SageMaker endpoint, send the golden through it, and clean up.",
    "boot": "Serve a model.tar.gz with the real toolkit of its container, and check its answers.",
    "check": "Validate pipeline files, running nothing.",
    "recommend": "Rank the instance types that hold what a run chose, by cost.",
    "explain": "Say how a candidate came to be.",
    "compare": "Say what differs between runs, and what it did.",
    "doctor": "Say which libraries are there, and what a pipeline file needs.",
    "schema": "Print the JSON Schema of the pipeline file or of report.json.",
}
"""Command to its one-line help; the module is `optimize.commands.<name>`, its function `command`."""


class LazyGroup(click.Group):
    """Lists commands from the table, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"optimize.commands.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(f"{error.message} {f'Did you mean {near[0]!r}?' if near else ''}".strip()) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="optimize")
def cli() -> None:
    """From a trained model to the fastest right model.tar.gz.

    Exit codes: 0 a winner was bundled and every gate held; 1 a gate failed, or no candidate survived; 2 the command or
    the pipeline file is wrong; 3 the tool or the machine failed; 4 the measurement is inconclusive and a verdict was
    asked for; 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> None:
    sys.exit(run_command(arguments))


def run_command(arguments: list[str] | None = None) -> int:
    """The exit code; every message is on standard error by then."""
    try:
        result: Any = cli.main(arguments, prog_name="optimize", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except OptimizeError as error:
        say(f"optimize: {error}", err=True)
        return error.exit_code
    except click.Abort:
        click.echo("optimize: interrupted; what is in the store stands", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except KeyboardInterrupt:
        click.echo("optimize: interrupted; what is in the store stands", err=True)
        return 130
    except OSError as error:
        say(f"optimize: the machine failed: {error}", err=True)
        return 3
    except Exception as error:  # noqa: BLE001 - the one boundary
        return _bug(error)


def _bug(error: Exception) -> int:
    """A bug of ours: the whole story goes into a file that is ready to be pasted into an issue."""
    import platform
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="optimize-bug-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"optimize {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write(f"arguments: {sys.argv[1:]}\n\n{''.join(traceback.format_exception(error))}")
    say(f"optimize: a bug of this tool: {type(error).__name__}: {error}\nPlease report it with {file.name}", err=True)
    return 3


if __name__ == "__main__":
    main()
