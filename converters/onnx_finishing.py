"""What comes after an ONNX file has been written, whichever converter wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from optimize.converters.onnx_optimizing import optimize_graph
from optimize.converters.onnx_versions import LEAST_IR, LEAST_OPSET, bring_down
from optimize.sections import Section


class Options(Section):
    """Of ONNX, whichever converter writes it."""

    opset: Annotated[int, Field(ge=LEAST_OPSET)] | None = None
    """The highest operator set that it may be of; by default, and at most, what the image under `bundle` reads."""
    ir: Annotated[int, Field(ge=LEAST_IR)] | None = None
    """The highest IR version, likewise."""
    optimize: bool = False
    """Save the graph as ONNX Runtime optimizes it for any processor: it opens sooner."""

    def opset_of(self, usual: int) -> int:
        """`usual` is what a converter writes where nothing is said."""
        return min(usual, self.opset or usual)


def finish(path: Path, options: Options) -> str:
    """Gives the opset, in words, that the file is of at the end. Raises Unsupported where it cannot be brought down."""
    had, opset = bring_down(path, options.opset, options.ir)
    if options.optimize:
        optimize_graph(path)
    brought = f", brought down from {had}" if opset < had else ""
    return f"opset {opset}{brought}{', optimized' if options.optimize else ''}"
