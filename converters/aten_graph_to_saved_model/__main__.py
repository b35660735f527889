"""Writes the list of operators that have a rule: `python -m optimize.converters.aten_graph_to_saved_model`."""

from __future__ import annotations

from pathlib import Path

from optimize.converters.aten_graph_to_saved_model.coverage import document, table

if __name__ == "__main__":
    package = Path(__file__).resolve().parent
    (package / "operators.py").write_text(table())
    (package.parents[1] / "docs" / "aten-operators.md").write_text(document())
