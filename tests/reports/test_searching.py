"""The trials of a search in words: one wording for the terminal, the page and report.md."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from optimize.reports.html import to_html
from optimize.reports.model import Report
from optimize.reports.searching import search_lines, trials_grid
from optimize.reports.terminal import print_report
from optimize.reports.words import folded


def on_terminal(report: Report, columns: int) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_terminal_and_the_page_say_the_same_of_every_trial(searched: Report) -> None:
    assert searched.search is not None
    lines, page = on_terminal(searched, 200), to_html(searched)
    for row in trials_grid(searched.search).rows:
        told = {cell.text for cell in row} - {""}
        assert all(text in page for text in told)
        assert any(row[0].text in line and row[1].text in line and row[3].text in line for line in lines), told


@pytest.mark.parametrize("columns", [80, 110])
def test_the_trials_fit_the_terminal_and_the_best_stand_first(columns: int, searched: Report) -> None:
    lines = on_terminal(searched, columns)
    start = next(i for i, line in enumerate(lines) if line.startswith("trial "))
    table = lines[start : next(i for i, line in enumerate(lines) if line.startswith("Search:"))]
    assert all(len(line.rstrip()) <= columns for line in table)
    assert "1.33× [1.30, 1.37]" in table[1] and "onnx-auto" in table[1]
    assert ("options" in table[0]) == (columns >= 110)


def test_the_nearest_of_trials_that_are_all_wrong_is_not_called_the_best(searched: Report) -> None:
    assert searched.search is not None
    wrong = [t.model_copy(update={"cleared": False, "ratio": None}) for t in searched.search.trials]
    report = searched.model_copy(update={"search": searched.search.model_copy(update={"trials": wrong})})
    assert report.search is not None
    grid = trials_grid(report.search)
    assert grid.wins == () and grid.rows[0][-1].text == "the nearest"
    assert search_lines(report)[0].endswith("none cleared the bar")


def test_what_is_long_of_a_reason_is_behind_a_fold_and_none_of_it_is_lost(searched: Report) -> None:
    reason = "2.1 times as slow; dynamic, the best of 13 trials; " + "; ".join(f"reason {i} of many" for i in range(20))
    shown, rest = folded(reason)
    assert f"{shown}; {rest}" == reason and len(shown) <= 120
    assert folded("too large: 3 MB; and late") == ("too large: 3 MB; and late", "")
    first = searched.candidates[0].model_copy(update={"reason": reason})
    page = to_html(searched.model_copy(update={"candidates": [first, *searched.candidates[1:]]}))
    assert f"{shown}<details><summary>and why</summary>{rest}</details>" in page
