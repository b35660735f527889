"""What is large of a TensorFlow model goes around tf2onnx, and the ONNX file has it all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def converted(case: str, folder: Path, root: Path) -> dict[str, Any]:
    script = root / "tests" / "converters" / "weights_apart.py"
    done = subprocess.run([sys.executable, str(script), case, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    assert said["error"] < 1e-5
    assert said["inputs"] == ["weight"]
    return said


def test_an_embedding_and_a_product_are_kept_apart_and_what_a_loop_reads_is_not(tmp_path: Path, root: Path) -> None:
    said = converted("tagger", tmp_path, root)
    assert sorted(said["apart"].values()) == [[5], [16, 5], [50, 16]]
    assert all(name.startswith("weight_") for name in said["apart"])
    assert (tmp_path / "model.onnx.data").stat().st_size == 4 * (5 + 16 * 5 + 50 * 16)


def test_kernels_of_convolutions_go_through_the_conversion(tmp_path: Path, root: Path) -> None:
    shapes = converted("convolutional", tmp_path, root)["apart"].values()
    assert not [shape for shape in shapes if len(shape) > 2]
    assert [4 * 4 * 8, 4] in list(shapes)


def test_a_conversion_holds_large_weights_at_most_twice_besides(tmp_path: Path, root: Path) -> None:
    said = converted("products", tmp_path, root)
    assert list(said["apart"].values()) == [[4096, 4096]] * 4
    assert said["peak"] < 2 * 4 * 4096 * 4096 * 4
