"""From a trained model to the fastest right `model.tar.gz`.

`optimize.run("pipeline.yaml")` does what `optimize run pipeline.yaml` does and gives the report as an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "run"]

if TYPE_CHECKING:
    from optimize.execution.run import run


def __getattr__(name: str) -> Any:
    # Lazily, so that `import optimize` and `optimize --help` load none of what a run needs.
    if name == "run":
        from optimize.execution.run import run

        return run
    raise AttributeError(f"module 'optimize' has no attribute {name!r}")
