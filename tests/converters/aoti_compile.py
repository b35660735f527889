"""`aoti_compile.py FOLDER` compiles an exported program of 268 MB of weights, and one that has no example inputs; what came
of it is in FOLDER/said.json."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch._export.serde.serialize
import torch._inductor.compile_fx
from torch import nn

from optimize.artifact import Artifact
from optimize.benchmarks.worker import peak_bytes
from optimize.converters import exported_program_to_aotinductor as converter
from optimize.errors import Unsupported
from optimize.runtimes import aotinductor
from optimize.signature import Signature, TensorSpec
from optimize.stages import RuntimeSettings

WIDTH, LAYERS = 4096, 4
SIGNATURE = Signature(
    (TensorSpec("x", "float32", ("batch", WIDTH)),), (TensorSpec("output", "float32", ("batch", WIDTH)),)
)


def write_program(path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS))).eval()
    free = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(module, (torch.zeros(2, WIDTH),), dynamic_shapes=free), path)


def error(session: Any, folder: Path, rows: int) -> float:
    """Of the package against the program, over the largest answer."""
    x = torch.randn(rows, WIDTH)
    found = session.run({"x": x.numpy()})["output"]
    expected = torch.export.load(folder / "model.pt2").module()(x)
    return float((torch.from_numpy(found) - expected).abs().max() / expected.abs().max())


def main(folder: Path) -> None:
    said: dict[str, Any] = {}
    libraries = peak_bytes()
    made = folder / "made"
    made.mkdir()
    write_program(folder / "model.pt2")
    converter.convert(Artifact(folder, "exported_program", "none", SIGNATURE), {}, made)
    said |= {"times": (peak_bytes() - libraries) / (WIDTH * WIDTH * LAYERS * 4)}
    model = Artifact(made, "aotinductor", "none", SIGNATURE)
    session = aotinductor.open(aotinductor.read(model), model, RuntimeSettings())
    with torch.no_grad():
        said["errors"] = [error(session, folder, rows) for rows in (1, 5)]
    bare = torch.export.load(folder / "model.pt2")
    bare.example_inputs = None
    try:
        converter.compile_program(bare, made / "model.pt2")
    except Unsupported as refused:
        said["refused"] = str(refused)
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")
    os._exit(0)  # As one that is killed: nothing is let go of.


if __name__ == "__main__":
    main(Path(sys.argv[1]))
