"""The key `target` of the pipeline file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from optimize.sections import Section

InstructionSet = Literal["avx2", "avx512", "vnni", "bf16", "amx", "neon", "dotprod", "sve", "sve2", "i8mm"]


class TargetSection(Section):
    """What is served on. A name alone may stand for it: `target: ml.c7i.large`."""

    name: str = "local"
    """An instance type (`ml.c7i.large`), a family (`ml.c7i`), `serverless:2048`, `local` (this machine), `auto` (chosen
    from the catalogue by memory, instruction sets and gates); or, with what follows, a name of your own."""
    vcpus: PositiveInt | None = None
    memory_gb: PositiveFloat | None = None
    """In units of 2^30 bytes, as instance types are sold."""
    architecture: Literal["x86_64", "aarch64"] = "x86_64"
    isa: tuple[InstructionSet, ...] = ()
    """Instruction sets that one can rely on there."""
    threads_per_core: PositiveInt = Field(default=2, le=8)

    @property
    def own(self) -> bool:
        """Whether it is a profile of the user's own, and not a name from the catalogue."""
        return self.vcpus is not None and self.memory_gb is not None

    @model_validator(mode="after")
    def _whole(self) -> TargetSection:
        if (self.vcpus is None) != (self.memory_gb is None) or (self.isa and not self.own):
            raise ValueError("a profile of your own has both vcpus and memory_gb: {name: mine, vcpus: 4, memory_gb: 8}")
        return self
