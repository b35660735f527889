"""How near this machine is to the target, and what of the target it is made to be."""

from __future__ import annotations

from dataclasses import dataclass

from optimize.benchmarks.emulation import Emulation, emulate
from optimize.benchmarks.fidelity import fidelity
from optimize.benchmarks.targets import Target, physical_cores
from optimize.errors import UserError
from optimize.pipeline.schema import Pipeline
from optimize.selection import ABSOLUTE


@dataclass(frozen=True)
class Nearness:
    target: Target
    threads: int
    fidelity: str
    emulation: Emulation


def near_to(pipeline: Pipeline, target: Target) -> Nearness:
    """Raises UserError for more threads than cores, and for a gate that such figures cannot judge."""
    threads = choose_threads(pipeline, target)
    near = fidelity(target)
    check_fidelity(pipeline, near)
    return Nearness(target, threads, near, emulate(target, near, threads))


def choose_threads(pipeline: Pipeline, target: Target) -> int:
    cores = physical_cores()
    wanted = pipeline.benchmark.threads
    told = pipeline.candidates.settings.items()
    asked = {f"candidates.settings.{name}.threads": settings.get("threads") for name, settings in told}
    for key, threads in {"benchmark.threads": wanted, **asked}.items():
        if threads and threads > cores:
            raise UserError(f"{threads} threads on a machine with {cores} cores; write at most {cores}", key)
    return wanted or min(target.threads, cores)


def check_fidelity(pipeline: Pipeline, near: str) -> None:
    """A gate on an absolute time or memory means nothing for figures from another kind of machine."""
    if near in ("exact", "family") or pipeline.accept in (near, "foreign"):
        return
    absolute = [name for name in ABSOLUTE if getattr(pipeline.gates, name) is not None]
    if absolute:
        raise UserError(
            f"measured here, {absolute[0]} would be a figure of fidelity {near!r} for {pipeline.target.name}, and a "
            f"gate on it could pass or fail wrongly; run on a machine of that family, write `accept: {near}` to judge "
            f"it all the same, or take the gate out",
            f"gates.{absolute[0]}",
        )
