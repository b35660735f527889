"""Run in a process with torch: `aten_export.py FOLDER CASE…` exports the cases and writes what torch computes."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import torch
from aten_case import Case
from aten_models import CASES
from aten_operators import FAMILY_CASES

from optimize.arrays import Arrays, save_arrays
from optimize.converters.pytorch_to_aten_graph import export_graph


def export(case: Case, folder: Path) -> None:
    torch.manual_seed(0)
    module = case.make().eval()
    (folder / "graph").mkdir(parents=True)
    export_graph(module, case.signature, case.examples(), folder / "graph")
    (folder / "signature.json").write_text(json.dumps(case.signature.to_json()))
    for number, sizes in enumerate(case.checked):
        inputs = case.arrays(sizes, seed=number + 1)
        save_arrays(folder / f"inputs{number}.npz", inputs)
        save_arrays(folder / f"expected{number}.npz", run(module, case, inputs))


def run(module: torch.nn.Module, case: Case, inputs: Arrays) -> Arrays:
    with torch.no_grad():
        # Copies: a module may write into its inputs.
        results = module(*(torch.from_numpy(value.copy()) for value in inputs.values()))
    results = results if isinstance(results, tuple) else (results,)
    return {name: result.numpy() for name, result in zip(case.outputs, results, strict=True)}


if __name__ == "__main__":
    torch.set_num_threads(2)
    root = Path(sys.argv[1])
    for name in sys.argv[2:]:
        folder = root / name
        folder.mkdir()
        try:
            export({**CASES, **FAMILY_CASES}[name], folder)
        except Exception:  # one case's end is that case's result
            (folder / "error.txt").write_text("while exporting\n" + traceback.format_exc())
