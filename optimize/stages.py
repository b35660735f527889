"""The contracts of the stages, and the literal tables through which they are found.

A stage is a plain module. Importing it must stay cheap: the planner imports every stage module to read its
declarations, and no library of a stage may be loaded by that. Third parties add stages through entry points in the
groups `optimize.converters`, `optimize.quantizers`, `optimize.runtimes`, `optimize.sources` and `optimize.bundles`,
each naming such a module.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from optimize.arrays import Arrays
from optimize.artifact import Artifact, Made
from optimize.errors import ToolError
from optimize.signature import Signature

if TYPE_CHECKING:
    from optimize.methods import Method, Task  # Processes that are measured import this module, and do without them.

TABLES = {
    "sources": "optimize.sources",
    "converters": "optimize.converters",
    "quantizers": "optimize.quantizers",
    "runtimes": "optimize.runtimes",
    "bundles": "optimize.bundles",
}
"""Group to the package whose `TABLE` (name to module) lists the stages that come with the tool."""


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """What a runtime is told before it loads a model.

    `options` are fields of the runtime's own `Options` that are to be otherwise than by default.
    """

    threads: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def told(cls, settings: Mapping[str, Any], threads: int) -> RuntimeSettings:
        """`settings` are a candidate's: `threads`, where they are not those given here, and options by name."""
        options = {name: value for name, value in settings.items() if name != "threads"}
        return cls(int(settings.get("threads", threads)), options)


class Converter(Protocol):
    """Makes an artifact of another format at the source's own precision.

    One that can be set also has `options`, a section of the pipeline file with a default for every key, and is given an
    instance of it as `convert`'s fourth argument, `options`. Converters that make the same format have the same one.

    One that can tell beforehand that it will refuse a source, quickly and without the whole conversion, also has
    `foresee(model: Artifact) -> str`: the reason, or nothing. `model` is the source as the user has it, its signature
    as far as the file itself tells it. `optimize inspect` asks, each converter in a process of its own.
    """

    reads: str
    """The format, or the kind of source, that `convert` takes."""
    makes: str
    libraries: tuple[str, ...]
    """Distributions that do the work: their versions enter the store's key, and `optimize doctor` asks for them."""

    def convert(self, model: Artifact, examples: Arrays, output: Path) -> Made:
        """Write the files of the new artifact into `output`, an empty folder.

        `examples` are real inputs by name, two rows where the batch is a named dimension. Raises `Unsupported`, with
        the upstream reason, where the path cannot take this model; any other exception is a failure of the step.
        """


class Quantizer(Protocol):
    """Makes an artifact of `makes` at a lower precision, by a method.

    It reads the format it makes, or whatever the method has to start from (a PyTorch module, say): the planner finds
    the way from the source to `reads`. What the pipeline file may set, and what the method has to be given, is in
    `method`; `task` holds exactly that.
    """

    reads: str
    makes: str
    method: Method
    libraries: tuple[str, ...]

    def quantize(self, model: Artifact, task: Task, output: Path) -> Made:
        """As `Converter.convert`. Raises UserError (`candidates.options`) for an option that does not fit the model."""


class Session(Protocol):
    """A loaded model."""

    threads: int | None
    """Intra-operator threads as the runtime itself reports them; None where it does not say."""

    def run(self, inputs: Arrays) -> Arrays: ...


class Runtime(Protocol):
    """Loads and runs artifacts of one format. The three loading phases are apart so that each can be timed.

    One that can be told more than its threads also has `Options`, a frozen dataclass with a default for every field,
    and `tuning`, the settings that a search tries one after the other. Its handler in a bundle does the same with them.
    """

    reads: str
    libraries: tuple[str, ...]

    def prepare(self, settings: RuntimeSettings) -> None:
        """Import the library and set what must be set before its first use."""

    def read(self, model: Artifact) -> Any:
        """Bytes from disk into whatever the library calls a model."""

    def open(self, loaded: Any, model: Artifact, settings: RuntimeSettings) -> Session:
        """Compile, optimize or bind it, until it can run."""


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What a bundle's handler is told.

    `threads` are the target's cores, `sizes` those of the named dimensions at which it warms the model up, `options`
    those of `RuntimeSettings`, and `hooks` the user's own file with `pre` and `post`.
    """

    threads: int = 1
    sizes: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    hooks: Path | None = None


class Service(Protocol):
    """A bundle that answers requests."""

    how: str
    """In words, for the report: `handler functions`, or the server that serves it."""
    forms: tuple[str, ...]
    """The ways to write a request that it reads, as `optimize.bundles.messages` names them."""

    def ask(self, inputs: Arrays, form: str) -> Arrays: ...


class Bundle(Protocol):
    """Lays a winner out as one serving container wants to find it, and opens such a folder as that container would."""

    container: str
    formats: tuple[str, ...]
    """The formats the container can serve."""
    libraries: tuple[str, ...]
    """Distributions whose versions the manifest records, besides those of the format's runtime."""
    takes_code: bool
    """Whether the user's hooks can be served."""

    def lay_out(self, model: Artifact, settings: ServingSettings, folder: Path) -> None:
        """Put the files into `folder`, which is empty. The model's own are linked where that is possible."""

    def open_folder(self, folder: Path, signature: Signature) -> Service:
        """Load what `lay_out` made, by the container's own rule and with no code but what lies in `folder`.

        The signature is for the client's side: to write requests and read answers.
        """


@cache
def stages(group: str) -> Mapping[str, Any]:
    """The stage modules of a group by name: the tool's own in the order of their table, then third parties'."""
    table: Mapping[str, str] = importlib.import_module(TABLES[group]).TABLE
    found: dict[str, ModuleType] = {name: importlib.import_module(module) for name, module in table.items()}
    for point in sorted(_installed().select(group=f"optimize.{group}"), key=lambda point: point.name):
        if point.name in found:
            raise ToolError(
                f"two {group} are named {point.name!r}: {found[point.name].__name__} and {point.value}; "
                f"uninstall one of them, or rename its entry point"
            )
        found[point.name] = point.load()
    return found


@cache
def _installed() -> Any:
    """The entry points of all packages; read once, since that opens a file of each. Python 3.12 changes their type."""
    return entry_points()


def converters() -> Mapping[str, Converter]:
    return cast(Mapping[str, Converter], stages("converters"))


def quantizers() -> Mapping[str, Quantizer]:
    return cast(Mapping[str, Quantizer], stages("quantizers"))


def runtimes() -> Mapping[str, Runtime]:
    """Runtimes by the format they read."""
    return {runtime.reads: runtime for runtime in cast(Mapping[str, Runtime], stages("runtimes")).values()}


def bundles() -> Mapping[str, Bundle]:
    """Bundles by container, the leanest first."""
    return cast(Mapping[str, Bundle], stages("bundles"))
