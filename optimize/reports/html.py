"""`report.html`: one file that opens offline. Its plots are drawn by D3 and Observable Plot, which stand in the page.

The page's own policy lets those scripts run by their digests and forbids every request, so that no name or message in
a report can bring in code.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from optimize.reports.beside import lines
from optimize.reports.derivation import derivation
from optimize.reports.grids import Grid, grids
from optimize.reports.model import CandidateReport, Report
from optimize.reports.plots import plot_data
from optimize.reports.table import COLUMNS, bound_in_signs, measured_where, ranked
from optimize.reports.words import folded, megabytes, speed

SCRIPTS = ("d3.min.js", "plot.umd.min.js", "report.js")


@dataclass(frozen=True)
class Card:
    title: str
    value: str
    detail: str


def to_html(report: Report) -> str:
    """Every value is escaped by the template engine."""
    measured = any(c.latency for c in report.candidates)
    drifts = any(c.drift for c in report.candidates)
    tree = derivation(report)
    asked = grids(report)
    return render(
        "report.html",
        report=report,
        columns=COLUMNS,
        candidates=ranked(report),
        cards=_cards(report),
        folded=folded,
        gates=_gates(report),
        measured=measured,
        measured_where=measured_where(report),
        drifts=drifts,
        tree=tree,
        grids=asked,
        beside=lines(report) if measured else [],
        sections=_sections(measured, drifts, asked, tree is not None, bool(report.steps)),
        facts=_facts(report),
        pipeline=yaml.safe_dump(report.pipeline, sort_keys=False, allow_unicode=True) if report.pipeline else "",
        data=as_script_data(plot_data(report)),
    )


def render(template: str, **values: Any) -> str:
    """A page of the templates' folder, with style, scripts and the policy that goes with them."""
    from markupsafe import Markup

    # Our own files, unchanged: escaping them would break them.
    scripts = [Markup(asset(name)) for name in SCRIPTS]
    style = Markup(asset("report.css"))
    text: str = _templates().get_template(template).render(scripts=scripts, style=style, policy=_policy(), **values)
    return text


def as_script_data(value: Any) -> Any:
    """JSON that cannot end the script element it stands in."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


@cache
def asset(name: str) -> str:
    return files("optimize.reports").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _policy() -> str:
    digests = (b64encode(hashlib.sha256(asset(name).encode()).digest()).decode() for name in SCRIPTS)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("optimize.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _cards(report: Report) -> list[Card]:
    winner = next((c for c in report.candidates if c.name == report.winner), None)
    if winner is None:
        return []
    cards = [_speed_card(winner), _latency_card(winner), _cold_start_card(winner), _accuracy_card(winner)]
    if winner.size_bytes is not None:
        source = report.source.size_bytes
        cards.append(Card("size", megabytes(winner.size_bytes), f"the source: {megabytes(source)}" if source else ""))
    if winner.memory:
        cards.append(Card("peak memory", megabytes(winner.memory.peak_bytes), "of its process"))
    return [card for card in cards if card]


def _speed_card(winner: CandidateReport) -> Card | None:
    if not winner.latency or not winner.latency.ratio:
        return None
    times, interval, word = speed(winner.latency.ratio.value, winner.latency.ratio.ci).split(" ", 1)[0], "", ""
    _, _, rest = speed(winner.latency.ratio.value, winner.latency.ratio.ci).partition(" ")
    interval, _, word = rest.rpartition(" ")
    return Card("against the source", f"{times} {word}", f"{interval} at 95 %")


def _latency_card(winner: CandidateReport) -> Card | None:
    if not winner.latency or winner.latency.p50_ms is None:
        return None
    low, high = winner.latency.p50_ms_ci
    return Card("latency, p50", f"{winner.latency.p50_ms:.3g} ms", f"[{low:.3g}, {high:.3g}] ms")


def _cold_start_card(winner: CandidateReport) -> Card | None:
    if not winner.cold_start:
        return None
    low, high = winner.cold_start.total_s_ci
    return Card(
        "cold start", f"{winner.cold_start.total_s:.2f} s", f"[{low:.2f}, {high:.2f}] s, n = {winner.cold_start.n}"
    )


def _accuracy_card(winner: CandidateReport) -> Card | None:
    if not winner.accuracy:
        return None
    low, high = winner.accuracy.difference_ci
    detail = f"{winner.accuracy.difference:+.2%} [{low:+.2%}, {high:+.2%}]"
    return Card("accuracy", f"{winner.accuracy.score:.2%}", detail)


def _gates(report: Report) -> dict[str, str]:
    """Gate to the bound in signs."""
    return {gate.name: bound_in_signs(gate.name, gate.bound) for c in report.candidates for gate in c.gates}


def _sections(measured: bool, drifts: bool, asked: Sequence[Grid], tree: bool, steps: bool) -> list[tuple[str, str]]:
    figures = [
        ("trade-off", "Trade-off"), ("cold-start", "Cold start"), ("latency", "Latency"), ("rounds", "Rounds"),
        ("memory", "Memory"), ("size", "Size"),
    ]  # fmt: skip
    return [
        ("candidates", "Candidates"),
        *(figures if measured else []),
        *([("drift", "Drift")] if drifts else []),
        *((grid.anchor, grid.title) for grid in asked),
        *([("derivation", "How each came to be")] if tree else []),
        *([("again", "Run again")] if steps else []),
        ("provenance", "Environment"),
    ]


def _facts(report: Report) -> list[tuple[str, str]]:
    machine, target, source = report.machine, report.target, report.source
    versions = {name: number for step in report.steps for name, number in step.versions.items()}
    memory = machine.get("memory_bytes")
    return [
        (
            "machine",
            f"{machine.get('cpu')}, {machine.get('usable_cores')} of {machine.get('logical_cores')} cores usable",
        ),
        ("memory", f"{memory / 1e9:.1f} GB" if memory else "unknown"),
        ("instruction sets", ", ".join(machine.get("instruction_sets", [])) or "none of those that matter here"),
        ("kernel, Python", f"{machine.get('kernel')} {machine.get('architecture')}, {machine.get('python')}"),
        ("target", f"{target.name}: {target.vcpus} vCPUs, {target.memory_bytes / 1e9:.1f} GB, {target.architecture}"),
        ("fidelity to it", target.fidelity),
        ("threads", str(target.threads)),
        ("measured", report.measured_at or "not measured"),
        ("libraries", ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))),
        ("source", f"{source.kind}, golden sha256 {source.digest or 'unknown'}"),
        ("golden", f"{source.rows} rows of {source.samples} data"),
        ("signature", _signature(source.signature)),
    ]


def _signature(signature: dict[str, Any]) -> str:
    def words(side: str) -> str:
        specs = signature.get(side, [])
        return ", ".join(f"{s['name']}: {s['dtype']}[{', '.join(map(str, s['shape']))}]" for s in specs)

    return f"({words('inputs')}) → ({words('outputs')})"
