"""What every kind of source shares: its section of the pipeline file, and the contract of its module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol, Self, cast

from pydantic import AfterValidator, Field, PositiveInt, field_validator, model_validator

from optimize.artifact import Artifact
from optimize.sections import Section
from optimize.signature import Range, Signature, TensorSpec
from optimize.sources.user_code import code_closure, code_file
from optimize.stages import RuntimeSettings, Session, stages

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "str",
)  # fmt: skip


MAIN_SIGNATURE = "serving_default"


def _names_of_signatures(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not name.isidentifier() or name.startswith("_") or name == MAIN_SIGNATURE:
            raise ValueError(f"{name!r} is no name for a further signature; write a word, and not {MAIN_SIGNATURE}")
    return value


FurtherMethods = Annotated[dict[str, str], AfterValidator(_names_of_signatures)]
"""The name of a further signature to what it is in the source: see `optimize.further_methods`."""


class InputSpec(Section):
    """One named input."""

    dtype: str = "float32"
    """NumPy's name of the element type."""
    shape: tuple[int | str, ...]
    """A dimension is a size, or a name (`batch`) where any size is to work."""

    @field_validator("dtype")
    @classmethod
    def _known_dtype(cls, value: str) -> str:
        if value not in DTYPES:
            raise ValueError(f"{value!r} is not a dtype; one of {', '.join(DTYPES)}")
        return value

    @field_validator("shape")
    @classmethod
    def _valid_dimensions(cls, value: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for dimension in value:
            if isinstance(dimension, int) and dimension < 1:
                raise ValueError(f"dimension {dimension} is not a positive size; give a name (batch) for any size")
            if isinstance(dimension, str) and not dimension.isidentifier():
                raise ValueError(f"dimension {dimension!r} is not a name such as batch or sequence")
        return value


class DimensionRange(Section):
    """The sizes of a named dimension that the model takes."""

    min: PositiveInt = 1
    max: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: Any) -> Any:
        """`[2, 512]` is short for `{min: 2, max: 512}`."""
        if isinstance(value, list | tuple) and len(value) == 2:
            return {"min": value[0], "max": value[1]}
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max {self.max} is less than min {self.min}")
        return self


class SourceOptions(Section):
    """What all kinds of source have in common."""

    kind: str
    inputs: dict[str, InputSpec] | None = Field(default=None, min_length=1)
    """Inputs by name, in the order the model takes them; may be left out where the model itself declares them."""
    dimensions: dict[str, DimensionRange] = Field(default={})
    """Ranges of named dimensions that do not take every size: `sequence: [2, 512]`."""
    trust: bool = False
    """Load files that execute code when they are opened (pickles). Leave it off for files from elsewhere."""

    def paths(self) -> dict[str, str]:
        """Key to path (relative to the pipeline file) of every file that must exist."""
        return {}

    def code(self) -> dict[str, str]:
        """Key to reference (`file.py:Name`) of the user's code."""
        return {}

    def parameters(self) -> dict[str, Any]:
        """What identifies the source besides the bytes of its files and code."""
        names = {name.split(".")[0] for name in self.paths()}
        dumped = self.model_dump(mode="json", exclude=names)
        for key, reference in self.code().items():
            dumped[key] = reference.rpartition(":")[2]
        return dumped

    @model_validator(mode="after")
    def _ranges_are_of_dimensions(self) -> Self:
        names = {d for spec in (self.inputs or {}).values() for d in spec.shape if isinstance(d, str)}
        unknown = sorted(self.dimensions.keys() - names)
        if self.inputs is not None and unknown:
            raise ValueError(f"no input has a dimension {unknown[0]!r}; named are {', '.join(sorted(names)) or 'none'}")
        return self

    def signature(self) -> Signature:
        """As the file declares it: without inputs where the model itself is to be asked."""
        specs = (TensorSpec(name, spec.dtype, spec.shape) for name, spec in (self.inputs or {}).items())
        ranges = {name: Range(one.min, one.max) for name, one in self.dimensions.items()}
        return Signature(tuple(specs), ranges=ranges)

    def content(self, base: Path) -> dict[str, tuple[Path, ...]]:
        """Role to the files whose bytes count."""
        files: dict[str, tuple[Path, ...]] = {role: (base / path,) for role, path in self.paths().items()}
        for role, reference in self.code().items():
            file = code_file(reference, base)
            files[role] = tuple(code_closure(file)) if file else ()
        return files


class LoadedSource(Session, Protocol):
    """The source in its own framework: eval mode, fp32 as it was saved, no autocast.

    `run` raises UserError (`source.inputs`) where the model refuses the inputs. A source for which not every number is
    a valid input also has `samples(rows)`, seeded rows that are, for where the user gives no data.
    """

    signature: Signature
    """Inputs as declared or inferred; which outputs there are is seen by running it."""


class Source(Protocol):
    """The contract of a module in this package: its options, and the loading phases of a runtime.

    `read` and `open` raise UserError with the key that is at fault.
    """

    kind: str
    libraries: tuple[str, ...]
    read_as: tuple[str, ...]
    """Other kinds whose converters can start from this one. With `pytorch` the module also has `build_module(model)`,
    which gives the source as a `torch.nn.Module` in eval mode."""
    Options: type[SourceOptions]

    def prepare(self, settings: RuntimeSettings) -> None: ...

    def read(self, model: Artifact) -> Any: ...

    def open(self, loaded: Any, model: Artifact, settings: RuntimeSettings) -> LoadedSource: ...


def sources() -> Mapping[str, Source]:
    return cast(Mapping[str, Source], stages("sources"))
