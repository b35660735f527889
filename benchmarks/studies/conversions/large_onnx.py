"""An ONNX file of 2.2 GB, taken in as it is and optimized."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from optimize.benchmarks.studies.conversions.running import carry_out


def study(folder: Path, only: Sequence[str], pairs: int) -> None:
    sys.path.insert(0, str(Path(__file__).parents[3]))  # The model is one of the tests'.
    from tests.sources.test_onnx import GIGABYTES, write_large_model

    folder.mkdir(parents=True, exist_ok=True)
    write_large_model(folder / "model.onnx")
    np.savez(folder / "rows.npz", x=np.random.default_rng(1).standard_normal((4, 1024)).astype(np.float32))
    source = {"kind": "onnx", "file": "model.onnx"}
    for optimize in (False, True):
        candidates = {
            "formats": ["onnx"],
            "quantization": ["none"],
            "options": {"onnx-none": {"optimize": optimize}},
        }
        steps = carry_out(folder, source, (), candidates=candidates, data={"calibration": "rows.npz"})
        for title, step in steps.items():
            peak = step.made.record["peak_bytes"] / 1e9
            how = f"{title}, optimized" if optimize else title
            print(f"ONNX of {GIGABYTES} GB, {how}: {peak:.2f} GB, {peak / GIGABYTES:.2f} times", flush=True)
