"""From the key `target` of the pipeline file to what is served on."""

from __future__ import annotations

from optimize.benchmarks.targets import Isa, Target, find_target
from optimize.pipeline.targets import TargetSection


def resolve_target(section: TargetSection) -> Target:
    """Raises UserError where the catalogue has no such name."""
    if section.vcpus is None or section.memory_gb is None:
        return find_target(section.name)
    threads = max(1, section.vcpus // section.threads_per_core)
    memory = int(section.memory_gb * 2**30)
    return Target(
        section.name, section.name, section.vcpus, threads, memory, Isa(section.architecture, section.isa), "profile"
    )
