"""The signatures, inputs and right outputs of the small models, and the requests made of workers with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from optimize.arrays import Arrays
from optimize.bundles.choice import containers_for
from optimize.execution.request import ArtifactReference, Request
from optimize.pipeline.schema import Bundle as Section
from optimize.signature import Signature, TensorSpec
from tests.bundles.make_model import TABLE, WEIGHTS

SIGNATURES = {
    "single": Signature(
        (TensorSpec("image", "float32", ("batch", 2, 3)),), (TensorSpec("logits", "float32", ("batch", 4)),)
    ),
    "several": Signature(
        (TensorSpec("tokens", "int64", ("batch", "sequence")), TensorSpec("scale", "float32", ("batch",))),
        (TensorSpec("scores", "float32", ("batch", "sequence")), TensorSpec("total", "float32", ("batch",))),
    ),
}


def draw_inputs(kind: str, rows: int, length: int = 5, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    if kind == "single":
        return {"image": rng.standard_normal((rows, 2, 3)).astype(np.float32)}
    return {"tokens": rng.integers(0, 10, (rows, length)), "scale": rng.standard_normal(rows).astype(np.float32)}


def right_outputs(kind: str, inputs: Arrays) -> Arrays:
    if kind == "single":
        return {"logits": inputs["image"].reshape(-1, 6) @ WEIGHTS}
    scores = TABLE[inputs["tokens"]] * inputs["scale"][:, None]
    return {"scores": scores, "total": scores.sum(1)}


def emit_request(reference: ArtifactReference, golden: Path, container: str = "", **parameters: Any) -> Request:
    candidate = f"{reference.format}-{reference.quantization}"
    section = Section(container=container or "auto")
    container = containers_for(section, reference.format)[0]
    told = {"container": container, "name": "test", "candidate": candidate, "provenance": {"why": "test"}}
    return Request("bundle", "", {"model": reference}, golden=str(golden), parameters=told | parameters)


def boot_request(bundle: Path, golden: Path, **parameters: Any) -> Request:
    return Request("boot", "", golden=str(golden), data={"bundle": str(bundle)}, parameters=parameters)
