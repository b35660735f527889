"""What every section of the pipeline file is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the pipeline file: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def libraries(self) -> tuple[str, ...]:
        """Distributions that do what is asked for here, besides those of the stage that it is a section of."""
        return ()
