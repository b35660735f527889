"""Every file beside report.html is read back by a real parser of its kind."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from markdown_it import MarkdownIt

from optimize.errors import UserError
from optimize.reports.junit import to_junit
from optimize.reports.markdown import to_markdown
from optimize.reports.measurements import to_csv
from optimize.reports.model import Gate, Report
from optimize.reports.write import WRITERS, write_reports
from optimize.schemas import report_schema


def rendered(report: Report) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(report))


def test_markdown_is_a_table_with_the_winner_first(report: Report) -> None:
    page = rendered(report)
    assert page.count("<table>") == 2 and page.count("<details>") == 2
    assert page.index(f"<strong>{report.winner}</strong>") < page.index("saved_model-static")
    assert report.sentence.replace("&", "&amp;") in page
    assert len(to_markdown(report)) < 60_000, "GitHub takes comments of at most 65,536 characters"


def test_markdown_of_hostile_names_holds_no_tag_of_theirs(hostile: Report) -> None:
    page = rendered(hostile)
    assert "<script" not in page and "javascript:alert" not in "".join(page.split("<a ")[1:])
    assert "<a " not in page and "&lt;script&gt;" in page
    assert page.count("<tr>") == rendered_rows(hostile)


def test_markdown_folds_what_was_searched_and_what_else_was_asked_for(searched: Report) -> None:
    page = rendered(searched)
    for title in ("What the search tried", "Error of quantization by layer", "Throughput", "Against the old artifact"):
        assert f"<summary>{title}</summary>" in page
    assert "Best of 8 trials: onnx-auto is static, int8" in page
    assert "Most sensitive layers, onnx-static: features/conv0/Conv_quant (8 dB)" in page
    assert len(to_markdown(searched)) < 60_000


def test_the_csv_holds_throughput_and_regression(searched: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(searched))))
    found = {(line["candidate"], line["figure"]): line for line in lines}
    name = searched.candidates[0].name
    assert (found[name, "throughput"]["value"], found[name, "throughput"]["unit"]) == ("400.0", "requests/s")
    assert found[name, "latency_ratio_to_baseline"]["high"] == "0.98"


def rendered_rows(report: Report) -> int:
    return 2 + len(report.candidates) + sum(len(c.gates) for c in report.candidates)


def suites(report: Report) -> dict[str, ET.Element]:
    return {suite.attrib["name"]: suite for suite in ET.fromstring(to_junit(report))}


def test_every_gate_of_every_candidate_is_a_test_case(report: Report) -> None:
    found = suites(report)
    assert found.keys() == {"winner", *(c.name for c in report.candidates)}
    gates = [name for name, bound in report.pipeline["gates"].items() if bound is not None]
    for candidate in report.candidates:
        names = [case.attrib["name"] for case in found[candidate.name]]
        assert names[0] == "state" and [name.split()[0] for name in names[1:]] == gates
    unsupported = next(c.name for c in report.candidates if c.state == "unsupported")
    assert found[unsupported].attrib["skipped"] == str(1 + len(gates))
    assert found["winner"].attrib["failures"] == "0"


def test_a_missed_gate_is_a_failure_that_says_by_how_much(report: Report) -> None:
    missed = Gate(name="p50_ms", bound=5, value=7, held=False, detail="p50_ms: 7 is over 5")
    first = report.candidates[0].model_copy(update={"gates": [missed]})
    changed = report.model_copy(update={"candidates": [first], "exit_code": 1})
    found = suites(changed)
    failure = found[first.name].find("testcase/failure")
    assert failure is not None and failure.attrib["message"] == missed.detail
    assert found["winner"].attrib["failures"] == "1"


def test_a_gate_that_is_a_least_is_said_so(report: Report) -> None:
    gates = {**report.pipeline["gates"], "throughput_per_s": 100}
    changed = report.model_copy(update={"pipeline": {**report.pipeline, "gates": gates}})
    assert {case.attrib["name"] for case in suites(changed)[report.candidates[0].name]} >= {
        "throughput_per_s at least 100", "cold_start_s at most 10",
    }  # fmt: skip


def test_junit_of_hostile_names_is_still_xml(hostile: Report) -> None:
    assert any("<script>" in name for name in suites(hostile))


def test_measurements_hold_every_figure_with_its_interval(report: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(report))))
    winner = next(c for c in report.candidates if c.name == report.winner)
    assert winner.latency
    (p50,) = [line for line in lines if line["candidate"] == winner.name and line["figure"] == "latency_p50"]
    assert (float(p50["value"]), p50["unit"]) == (winner.latency.p50_ms, "ms")
    assert (float(p50["low"]), float(p50["high"])) == winner.latency.p50_ms_ci
    assert {line["candidate"] for line in lines} >= {"source", winner.name}
    assert all(line["value"] for line in lines)


def test_a_name_that_is_a_formula_does_not_reach_a_spreadsheet(report: Report) -> None:
    changed = report.candidates[0].model_copy(update={"name": "=1+1"})
    lines = to_csv(report.model_copy(update={"candidates": [changed]})).splitlines()
    assert not any(line.startswith("=") for line in lines)


def test_report_json_holds_to_the_published_schema(report: Report, unmeasured: Report, hostile: Report) -> None:
    validator = jsonschema.Draft202012Validator(report_schema())
    for one in (report, unmeasured, hostile):
        validator.validate(json.loads(WRITERS["report.json"](one)))


@pytest.mark.parametrize("which", ["report", "pipeline"])
def test_the_published_schema_is_the_one_the_command_prints(which: str) -> None:
    from click.testing import CliRunner

    from optimize.commands.schema import command

    published = Path(__file__).parents[2] / "docs" / f"{which}.schema.json"
    printed = CliRunner().invoke(command, [which], standalone_mode=False).output
    assert published.read_text(encoding="utf-8") == printed, f"type: optimize schema {which} > {published}"


def test_all_are_written_and_a_second_time_nothing_is_touched(report: Report, tmp_path: Path) -> None:
    paths = write_reports(report, tmp_path / "made" / "anew")
    assert [path.name for path in paths] == list(WRITERS)
    before = [path.stat().st_mtime_ns for path in paths]
    assert write_reports(report, tmp_path / "made" / "anew") == paths
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert Report.model_validate_json(paths[0].read_text(encoding="utf-8")) == report


def test_a_folder_that_cannot_be_written_is_said_with_what_to_type(report: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot be written.*-o report=DIR"):
        write_reports(report, tmp_path / "taken")


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_measured_and_hostile_names_are_written_by_all(
    name: str, unmeasured: Report, hostile: Report, raw: dict[str, Any]
) -> None:
    assert WRITERS[name](unmeasured)
    assert WRITERS[name](hostile)
    raw |= {"steps": [], "pipeline": {}, "measured_at": None}
    raw["candidates"] = []
    assert WRITERS[name](Report.model_validate(raw))
