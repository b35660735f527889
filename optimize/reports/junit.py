"""`junit.xml`: every gate of every candidate is a test case, for the test view of a CI service.

A gate that is missed is a failure even where another candidate won; whether the job passes is said by the exit code and
by the suite `winner`.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from optimize.reports.model import CandidateReport, Gate, Report
from optimize.selection import AT_LEAST
from optimize.store import State

UNTRIED = (State.UNSUPPORTED, State.SKIPPED)
FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write."""


def to_junit(report: Report) -> str:
    root = ET.Element("testsuites", name=clean(report.name))
    _verdict(root, report)
    bounds = {name: bound for name, bound in report.pipeline.get("gates", {}).items() if bound is not None}
    for candidate in report.candidates:
        _candidate(root, candidate, bounds)
    for suite in root:
        _count(suite)
    _count(root)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def clean(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _verdict(root: ET.Element, report: Report) -> None:
    suite = ET.SubElement(root, "testsuite", name="winner")
    case = ET.SubElement(suite, "testcase", classname="winner", name=f"the run came to its end at {report.until}")
    if report.exit_code:
        ET.SubElement(case, "failure", message=clean(report.sentence))


def _candidate(root: ET.Element, candidate: CandidateReport, bounds: dict[str, float]) -> None:
    name = clean(candidate.name)
    suite = ET.SubElement(root, "testsuite", name=name)
    case = ET.SubElement(suite, "testcase", classname=name, name="state")
    if candidate.state != State.OK:
        word = "skipped" if candidate.state in UNTRIED else "failure" if candidate.state == State.DRIFTED else "error"
        ET.SubElement(case, word, message=clean(f"{candidate.state}: {candidate.reason}"))
    judged = {gate.name: gate for gate in candidate.gates}
    for gate, bound in bounds.items():
        case = ET.SubElement(
            suite, "testcase", classname=name, name=f"{gate} {'at least' if gate in AT_LEAST else 'at most'} {bound:g}"
        )
        _gate(case, judged.get(gate), candidate)


def _gate(case: ET.Element, gate: Gate | None, candidate: CandidateReport) -> None:
    if gate is None:
        ET.SubElement(case, "skipped", message=clean(f"not judged: the candidate ended {candidate.state}"))
    elif not gate.held:
        ET.SubElement(case, "failure", message=clean(gate.detail))


def _count(element: ET.Element) -> None:
    element.set("tests", str(len(element.findall(".//testcase"))))
    for word, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        element.set(attribute, str(len(element.findall(f".//{word}"))))
