"""Sizes at which the source is run, and at which converters see it."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.data import random_rows
from optimize.errors import UserError
from optimize.execution.run import prepare
from optimize.golden import case_sizes, take
from optimize.signature import Range, Signature, TensorSpec
from tests.conftest import Project

IDS = TensorSpec("ids", "int64", ("batch", "sequence"))


def test_examples_stand_at_sizes_that_no_case_has() -> None:
    signature = Signature((IDS,))
    rows = random_rows(signature, 8, {"sequence": 12})
    examples, cases = case_sizes(signature, rows)
    assert examples == {"batch": 2, "sequence": 9}
    assert cases == [{"batch": 1, "sequence": 6}, {"batch": 3, "sequence": 12}]
    assert take(signature, rows, examples)["ids"].shape == (2, 9)


def test_no_size_is_outside_its_range() -> None:
    signature = Signature((IDS,), ranges={"sequence": Range(7, 10), "batch": Range(2)})
    rows = random_rows(signature, 8, {})
    assert rows.arrays["ids"].shape == (8, 8)
    examples, cases = case_sizes(signature, rows)
    assert all(7 <= at["sequence"] <= 10 and at["batch"] >= 2 for at in (examples, *cases))


def test_ranges_survive_being_written_down() -> None:
    signature = Signature((IDS,), ranges={"sequence": Range(2, None)})
    assert Signature.from_json(signature.to_json()) == signature
    assert "ranges" not in Signature((IDS,)).to_json()


def test_ranges_come_from_the_pipeline_file_in_short_or_in_long(torch_project: Project) -> None:
    path = torch_project()
    for written in ("[2, 64]", "{min: 2, max: 64}"):
        text = path.read_text().replace("source:\n", f"source:\n  dimensions: {{batch: {written}}}\n")
        (path.parent / "ranged.yaml").write_text(text)
        source = prepare(path.parent / "ranged.yaml").file.pipeline.source
        assert source.signature().ranges == {"batch": Range(2, 64)}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{batch: [3, 2]}", "max 2 is less than min 3"),
        ("{bach: [1, 2]}", "no input has a dimension 'bach'; named are batch"),
    ],
)
def test_a_range_that_cannot_be_is_refused(torch_project: Project, written: str, expected: str) -> None:
    path = torch_project()
    path.write_text(path.read_text().replace("source:\n", f"source:\n  dimensions: {written}\n"))
    with pytest.raises(UserError) as error:
        prepare(path)
    assert expected in str(error.value)


def test_data_outside_the_range_is_refused(tmp_path: object) -> None:
    from pathlib import Path

    from optimize.data import check_headers, read_headers

    file = Path(str(tmp_path)) / "rows.npz"
    np.savez(file, ids=np.zeros((4, 20), np.int64))
    signature = Signature((IDS,), ranges={"sequence": Range(2, 16)})
    with pytest.raises(UserError, match=r"ids has 20 along sequence, and source\.dimensions allows 2 to 16"):
        check_headers(read_headers(file, "k"), signature, file, "k")
