"""The documents claim what holds: every row that they have is run again, in the formats that the case repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimize.stages import runtimes
from tests.forked import ForkedWorkers
from tests.matrix.case import Case, all_cases
from tests.matrix.running import DOCS, Cell, page, read_matrix, run_case

CASES = [case for case in all_cases() if case.name in read_matrix()]
FIGURE = re.compile(r"\d+(\.\d+)?(e[-+]?\d+)?")
SLACK = 10
"""Rounding differs between machines: an error may be that many times the one in the documents, or up to 1e-5."""


@pytest.fixture(scope="module")
def workers() -> Iterator[ForkedWorkers]:
    forked = ForkedWorkers()
    yield forked
    forked.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_row_is_what_the_documents_say(case: Case, tmp_path: Path, workers: ForkedWorkers) -> None:
    found = run_case(case.to_repeat(), tmp_path, workers)
    written = {name: cell for name, cell in read_matrix()[case.name]["cells"].items() if name in found}
    assert {name: _told(cell) for name, cell in found.items()} == {name: _told(cell) for name, cell in written.items()}
    for name, cell in found.items():
        if cell["state"] == "ok":
            assert cell["drift"] <= max(SLACK * written[name]["drift"], 1e-5), name
    if case.kind != "onnx":
        check_versions(tmp_path)


def _told(cell: Cell) -> tuple[str, str, str]:
    """Figures in a reason differ between machines."""
    return cell["state"], cell["converter"], FIGURE.sub("…", cell["reason"])


def check_versions(folder: Path) -> None:
    """Of every ONNX file that was made: what ONNX Runtime reads from 1.18 on."""
    import onnx

    for file in (folder / ".optimize" / "store").rglob("model.onnx"):
        model = onnx.load(file, load_external_data=False)
        used = {node.domain for node in model.graph.node}  # ONNX Runtime's own tools declare others besides.
        opsets = {opset.domain: opset.version for opset in model.opset_import if opset.domain in used}
        assert model.ir_version <= 10 and opsets.get("", 0) <= 20 and opsets.get("ai.onnx.ml", 0) <= 3, file


def test_the_page_holds_a_row_for_every_case_and_nothing_else() -> None:
    matrix = read_matrix()
    assert list(matrix) == [case.name for case in CASES], "type: python -m tests.matrix.running"
    assert (DOCS / "matrix.md").read_text(encoding="utf-8") == page(matrix), "type: python -m tests.matrix.running"


def test_every_source_is_tried_in_every_format() -> None:
    matrix = read_matrix()
    plain = {f"{format}-none" for format in runtimes()}
    tried = {case.name: plain - set(matrix[case.name]["cells"]) for case in CASES if "none" in case.quantization}
    assert not any(tried.values()), {name: left for name, left in tried.items() if left}
