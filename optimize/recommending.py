"""From a report to the types of the catalogue that hold its winner, the cheapest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimize.benchmarks.fingerprint import machine_fingerprint
from optimize.benchmarks.sizing import Fit, Need, fitting_types
from optimize.benchmarks.targets import Isa
from optimize.errors import UserError
from optimize.execution.costing import need_of
from optimize.reports.model import CandidateReport, Report

LATENCY = ("p50_ms", "p99_ms")


@dataclass(frozen=True)
class Recommendation:
    """`gates` says of each gate on latency whether the candidate's own figure meets it: no type changes that figure,
    which is of one core. `elsewhere` is set where the figures are of another machine than this one."""

    candidate: CandidateReport
    need: Need
    types: tuple[Fit, ...]
    gates: tuple[str, ...]
    missed: tuple[str, ...]
    elsewhere: str


def recommend(report: Report, prices: Mapping[str, float], name: str | None, force: bool) -> Recommendation:
    """Raises UserError: no such candidate, one that was not measured, or figures of another machine without `force`."""
    candidate = _candidate(report, name)
    here = machine_fingerprint()
    elsewhere = "" if report.machine == here else f"{report.machine.get('cpu')}, and this machine is {here['cpu']}"
    if elsewhere and not force:
        raise UserError(
            f"the report was measured on another machine ({elsewhere}, or its kernel or memory differ), so that how "
            f"near its figures are to a type cannot be told here; run `optimize recommend` there, or add --force"
        )
    isa = Isa(str(report.machine["architecture"]), tuple(report.machine["instruction_sets"]))
    memory = candidate.memory.model_dump() if candidate.memory else None
    throughput = candidate.throughput.model_dump() if candidate.throughput else None
    right = bool(candidate.on_target and candidate.on_target.how and not candidate.on_target.drifted)
    need = need_of(candidate.precision, memory, throughput, right, isa)
    if need is None:
        raise UserError(f"{candidate.name} was not measured in this run; run it until the stage `measure`")
    gates = [(gate.name, gate.detail, gate.held) for gate in candidate.gates if gate.name in LATENCY]
    return Recommendation(
        candidate, need, tuple(fitting_types(need, prices, isa)), tuple(detail for _, detail, _ in gates),
        tuple(detail for _, detail, held in gates if not held), elsewhere,
    )  # fmt: skip


def _candidate(report: Report, name: str | None) -> CandidateReport:
    wanted = name or report.winner
    names = ", ".join(c.name for c in report.candidates)
    if wanted is None:
        raise UserError(f"the run has no winner; name one of its candidates: --candidate NAME, one of {names}")
    found = next((c for c in report.candidates if c.name == wanted), None)
    if found is None:
        raise UserError(f"--candidate {wanted}: the run has no such candidate; it has {names}")
    return found
