"""report.html in a real browser, on a phone and on a desk, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from optimize.reports.comparison import compare
from optimize.reports.comparison_page import write_page
from optimize.reports.html import to_html
from optimize.reports.model import Report
from tests.reports.browser import Browser, browser
from tests.reports.conftest import HOSTILE

PLOTS = {"tradeoff", "cold-start", "distributions", "rounds", "memory", "size", "drift"}
COLUMN = (
    "return [...document.querySelector('table.sortable').tBodies[0].rows].map(r => r.cells[arguments[0]].dataset.value)"
)
NAMES_ON_EACH_OTHER = """
const boxes = [...document.querySelectorAll("g.name text")].map(t => [t.textContent, t.getBoundingClientRect()]);
const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
return boxes.flatMap(([name, a], i) => boxes.slice(i + 1).filter(([, b]) => !apart(a, b)).map(([other]) => [name, other]));
"""
CHOOSE = """
const select = document.getElementById('tradeoff-axis');
select.value = arguments[0];
select.dispatchEvent(new Event('change'));
"""


@pytest.fixture(scope="module", params=[390, 1440])
def screen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(request.param, tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(report, tmp_path_factory.mktemp("page"))


def written(report: Report, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(to_html(report), encoding="utf-8")
    return path


def marks(screen: Browser) -> dict[str, int]:
    count = "p => [p.dataset.plot, p.querySelectorAll('g.mark > *').length]"
    return dict(screen.run(f"return [...document.querySelectorAll('.plot')].map({count})"))


def test_it_opens_offline_with_every_plot_drawn(screen: Browser, page: Path) -> None:
    screen.open(page)
    assert screen.complaints() == []
    assert screen.requests() == [page.as_uri()]
    drawn = marks(screen)
    assert drawn.keys() == PLOTS
    assert all(drawn.values()), drawn
    assert screen.run("return document.querySelectorAll('g.front path').length") == 1
    assert screen.run("return document.querySelectorAll('[data-plot=tradeoff] g.gate line').length") >= 1
    assert screen.run("return document.documentElement.scrollWidth") == screen.width


@pytest.mark.parametrize("dark", [False, True])
def test_every_mark_and_word_of_every_plot_stands_out_from_the_page(
    dark: bool, screen: Browser, searched: Report, tmp_path: Path
) -> None:
    screen.open(written(searched, tmp_path), dark)
    assert marks(screen).keys() == PLOTS | {"search", "layers", "open-loop"}
    assert screen.faint() == []


def test_it_is_at_most_two_megabytes_and_one_file(page: Path) -> None:
    assert page.stat().st_size <= 2_000_000
    assert [p.name for p in page.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_serious_violation(dark: bool, screen: Browser, page: Path) -> None:
    screen.open(page, dark)
    screen.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert screen.violations() == []
    back = screen.run("return getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(15, 19, 25)") == dark


def test_a_heading_sorts_by_figure_both_ways_and_by_keyboard(screen: Browser, page: Path) -> None:
    screen.open(page)
    titles = screen.run("return [...document.querySelectorAll('table.sortable th[data-sort]')].map(h => h.textContent)")
    for title in ("p50 ms", "size", "memory"):
        column = titles.index(title)
        screen.run("document.querySelectorAll('table.sortable thead button')[arguments[0]].click()", column)
        up = screen.run(COLUMN, column)
        assert [float(v) for v in up if v] == sorted(float(v) for v in up if v)
        assert up[-1] == "", "what has no figure stands last"
        assert screen.run("return document.querySelectorAll('th[aria-sort]').length") == 1
        button = screen.driver.find_elements("css selector", "table.sortable thead button")[column]
        button.send_keys("\ue007")
        down = screen.run(COLUMN, column)
        assert [float(v) for v in down if v] == sorted((float(v) for v in up if v), reverse=True)
        assert down[-1] == ""


def test_the_trade_off_can_be_seen_against_other_figures(screen: Browser, page: Path) -> None:
    screen.open(page)
    choices = screen.run("return [...document.getElementById('tradeoff-axis').options].map(o => o.value)")
    assert choices == ["accuracy", "worst_drift", "cold_start_s", "peak_mb", "size_mb"]
    for choice in choices:
        screen.run(CHOOSE, choice)
        assert marks(screen)["tradeoff"] >= 8
    assert screen.complaints() == []


def test_hostile_names_are_shown_and_never_run(screen: Browser, hostile: Report, tmp_path: Path) -> None:
    screen.open(written(hostile, tmp_path))
    assert screen.complaints() == []
    assert screen.run("return document.scripts.length") == 4
    assert HOSTILE in screen.run("return document.body.textContent")
    assert screen.run("return [...document.querySelectorAll('svg text')].some(t => t.textContent.includes('<script>'))")
    assert screen.violations() == []


def test_a_run_that_measured_nothing_still_has_its_page(screen: Browser, unmeasured: Report, tmp_path: Path) -> None:
    screen.open(written(unmeasured, tmp_path))
    assert screen.complaints() == []
    assert marks(screen).keys() == {"drift"}
    assert screen.run("return document.querySelectorAll('.tree li').length") > 10
    assert screen.violations() == []


def test_what_was_searched_and_what_else_was_asked_for_is_drawn_and_listed(
    screen: Browser, searched: Report, tmp_path: Path
) -> None:
    path = written(searched, tmp_path)
    screen.open(path, dark=True)
    assert screen.complaints() == []
    drawn = marks(screen)
    assert drawn.keys() == PLOTS | {"search", "layers", "open-loop"}
    assert (drawn["search"], drawn["layers"], drawn["open-loop"]) == (6, 20, 10)
    assert screen.run("return document.querySelectorAll('[data-plot=search] g.front path').length") == 2
    assert screen.run("return document.documentElement.scrollWidth") == screen.width
    screen.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert screen.violations() == []
    text = screen.run("return document.body.textContent")
    for words in ("cosine 0.1 is under 0.97", "layer0 layer1 layer2", "0.970× [0.960, 0.980]", "ml.c7i.large"):
        assert words in text
    assert path.stat().st_size <= 2_000_000


def test_a_bundle_is_told_with_its_digest_and_how_it_was_served(bundled: Report) -> None:
    text = to_html(bundled)
    for words in (
        "build/model.tar.gz",
        "d" * 64,
        "1.23 MB",
        "it answered",
        "p50 1.7 ms",
        "200 requests",
        "3.2 s after",
    ):
        assert words in text


def test_the_page_says_all_that_the_report_holds(report: Report) -> None:
    text = to_html(report)
    for candidate in report.candidates:
        assert candidate.name in text and candidate.reason.partition("[")[0] in text
    for step in report.steps:
        assert step.reproduce in text
    assert report.source.digest in text


@pytest.mark.parametrize("times", [True, False])
def test_a_comparison_shows_the_same_plots_over_all_runs(
    times: bool, screen: Browser, report: Report, tmp_path: Path
) -> None:
    machine = report.machine if times else {**report.machine, "cpu": "another"}
    path = tmp_path / "compare.html"
    write_page(compare([("a", report), ("b", report.model_copy(update={"machine": machine}))]), path)
    screen.open(path)
    assert screen.complaints() == [] and screen.requests() == [path.as_uri()]
    drawn = marks(screen)
    assert drawn.keys() == (PLOTS if times else {"size", "drift"})
    assert screen.run(NAMES_ON_EACH_OTHER) == []
    assert drawn["size"] == 2 * (1 + sum(c.size_bytes is not None for c in report.candidates))
    assert screen.violations() == []
    assert path.stat().st_size <= 2_000_000
