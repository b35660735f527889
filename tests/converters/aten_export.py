"""Run in a process with torch: `aten_export.py FOLDER CASE…` exports the cases and writes what torch computes."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import torch
from aten_case import Case
from aten_models import QUICK, REFUSED, SLOW, mlp
from aten_operators import FAMILIES, FAMILY_CASES

from optimize.arrays import Arrays, save_arrays
from optimize.converters.pytorch_to_aten_graph import export_graph

CASES = {case.name: case for case in [*QUICK, *SLOW, *REFUSED, *FAMILY_CASES]}
CASES["mlp_again"] = Case("mlp_again", mlp, CASES["mlp"].inputs)


def export(case: Case, folder: Path) -> None:
    torch.manual_seed(0)
    module = case.make().train(case.training)
    (folder / "graph").mkdir()
    description = {"signature": case.signature.to_json(), "tolerance": case.tolerance}
    (folder / "case.json").write_text(json.dumps(description))
    export_graph(module, case.signature, case.examples(), folder / "graph")
    for number, sizes in enumerate(case.checked):
        inputs = case.arrays(sizes, seed=number + 1)
        save_arrays(folder / f"inputs{number}.npz", inputs)
        save_arrays(folder / f"expected{number}.npz", run(module, case, inputs))


def run(module: torch.nn.Module, case: Case, inputs: Arrays) -> Arrays:
    with torch.no_grad():
        # Copies: a module may write into its inputs.
        results = module(*(torch.from_numpy(value.copy()) for value in inputs.values()))
    results = results if isinstance(results, tuple) else (results,)
    return {name: result.detach().numpy() for name, result in zip(case.outputs, results, strict=True)}


def main(root: Path, names: list[str]) -> None:
    tables = {"quick": [c.name for c in QUICK], "slow": [c.name for c in SLOW], "families": list(FAMILIES)}
    (root / "tables.json").write_text(json.dumps({**tables, "refused": [c.name for c in REFUSED]}))
    for name in names:
        folder = root / name
        folder.mkdir()
        try:
            export(CASES[name], folder)
        except Exception:  # noqa: BLE001 - one case's end is that case's result
            (folder / "error.txt").write_text("while exporting\n" + traceback.format_exc())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2:])
