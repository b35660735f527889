"""What is large of a SavedModel goes around LiteRT's converter, and the file is what the converter would have made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("around")
    script = root / "tests" / "converters" / "litert_around.py"
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    return found


def test_answers_are_those_of_the_model_that_went_through_at_other_sizes_too(said: dict[str, Any]) -> None:
    """As an ordinary file, and as one whose weights are too far away for that."""
    assert len(said["errors"]) == 8
    assert max(said["errors"]) == 0


def test_a_kernel_of_a_convolution_and_what_is_added_go_through_the_conversion(said: dict[str, Any]) -> None:
    assert set(said["names"][0]) == {"table", "into_heads", "scaled", "after_scale"}


def test_a_weight_that_the_converter_multiplies_by_what_comes_before_it_goes_through_too(said: dict[str, Any]) -> None:
    assert set(said["names"][1]) == {"table", "into_heads", "scaled"}
    assert len(said["names"]) == 4  # Two files were written, each with two conversions.


def test_operators_and_their_constants_are_the_same_but_for_a_slice_whose_sizes_are_asked_for(
    said: dict[str, Any],
) -> None:
    whole, around = (sorted(operators) for operators in said["operators"])
    assert [one for one in around if one not in whole] == [["STRIDED_SLICE", 12, 12, 12]]
    assert len(around) == len(whole) + 1


def test_a_table_that_two_operators_read_stands_in_the_file_once(said: dict[str, Any]) -> None:
    assert said["tables"] == 1
    assert [kind for kind, *sizes in said["operators"][1] if 50 * 16 * 4 in sizes] == ["GATHER", "FULLY_CONNECTED"]


def test_a_weight_that_is_itself_an_output_goes_through_and_the_others_around(said: dict[str, Any]) -> None:
    assert said["given"]["shown"] == 0 and said["given"]["y"] < 1e-5
