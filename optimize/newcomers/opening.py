"""What a kind's own source module tells of a model once it has opened it: the whole signature, and of what it is made.

What would execute code is refused by the source module itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimize.artifact import Artifact
from optimize.signature import Signature

ROWS = 4


def opened(kind: str, path: Path) -> dict[str, Any]:
    """`inputs`, `outputs`, and what else this kind tells. Raises what opening it raises."""
    loaded, source = open_source(kind, path)
    about = {"keras": _keras, "huggingface": _huggingface, "sklearn": _estimator}.get(kind, _booster)
    return _signature(source) | about(loaded)


def open_source(kind: str, path: Path) -> tuple[Any, Any]:
    """What the kind's library calls a model, and the source that runs it."""
    from optimize.sources.base import sources
    from optimize.stages import RuntimeSettings

    module: Any = sources()[kind]
    model, settings = source_artifact(kind, path, Signature(())), RuntimeSettings()
    module.prepare(settings)
    loaded = module.read(model)
    return loaded, module.open(loaded, model, settings)


def source_artifact(kind: str, path: Path, signature: Signature) -> Artifact:
    """The model as a stage reads it that starts from the source, with its section's defaults."""
    from optimize.sources.base import sources

    module: Any = sources()[kind]
    key = next(iter(module.Options.model_fields.keys() & {"file", "folder"}))
    options = module.Options.model_validate({"kind": kind, key: path.name})
    return Artifact(path.parent, kind, "source", signature, options.model_dump(mode="json"))


def _signature(source: Any) -> dict[str, Any]:
    """The outputs are seen on rows that are drawn as they are where no data is given."""
    from optimize.data import random_rows
    from optimize.golden import case_sizes, output_specs, take

    inputs = source.signature
    rows = source.samples(ROWS) if hasattr(source, "samples") else random_rows(inputs, ROWS, {})
    small, others = case_sizes(inputs, rows)
    runs = [(sizes, source.run(take(inputs, rows, sizes))) for sizes in (*others, small)]
    sides = {"inputs": inputs.inputs, "outputs": output_specs(inputs, runs)}
    return {
        side: [{"name": s.name, "dtype": s.dtype, "shape": list(s.shape)} for s in specs]
        for side, specs in sides.items()
    }


def _keras(loaded: Any) -> dict[str, Any]:
    layers = Counter(type(layer).__name__ for layer in loaded.layers)
    return {"parameters": int(loaded.count_params()), "layers": dict(layers.most_common())}


def _huggingface(loaded: Any) -> dict[str, Any]:
    leaves = Counter(type(m).__name__ for m in loaded.model.modules() if not any(True for _ in m.children()))
    count = sum(p.numel() for p in loaded.model.parameters())
    return {"parameters": int(count), "layers": dict(leaves.most_common())}


def _estimator(loaded: Any) -> dict[str, Any]:
    steps: Mapping[str, Any] = dict(getattr(loaded, "steps", [("", loaded)]))
    return {"layers": dict(Counter(type(step).__name__ for step in steps.values()))}


def _booster(loaded: Any) -> dict[str, Any]:
    """XGBoost counts rounds, LightGBM trees."""
    count = loaded.num_boosted_rounds() if hasattr(loaded, "num_boosted_rounds") else loaded.num_trees()
    return {"facts": [f"{count} {'rounds' if hasattr(loaded, 'num_boosted_rounds') else 'trees'}"]}
