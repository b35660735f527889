"""What is served on: an instance type, a family, a serverless size, or a profile of the user's own."""

from __future__ import annotations

import difflib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import yaml

from optimize.benchmarks.fingerprint import instruction_sets
from optimize.errors import UserError

X86 = "x86_64"


@dataclass(frozen=True)
class Isa:
    """The instruction sets one can rely on, of one architecture."""

    architecture: str
    names: tuple[str, ...] = ()

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @property
    def saturates(self) -> bool:
        """Whether int8 kernels add pairs of u8 x s8 products in 16 bits, as x86 without VNNI does (`vpmaddubsw`): two
        products of 255 and 127 then give 32767 and not 64770. Weights of 7 bits keep clear of it."""
        return self.architecture == X86 and "vnni" not in self

    def lacks(self, other: Isa) -> tuple[str, ...]:
        """What `other` has and this one has not."""
        return tuple(name for name in other.names if name not in self)


@dataclass(frozen=True)
class Target:
    """`threads` is one per physical core; `workers` are the model servers that a container starts, one per vCPU."""

    name: str
    family: str
    vcpus: int
    threads: int
    memory_bytes: int
    isa: Isa
    kind: str = "instance"
    """`instance`, `family` (its smallest size), `serverless`, `profile`, `local`, or `auto` (chosen after the run)."""

    @property
    def architecture(self) -> str:
        return self.isa.architecture

    @property
    def workers(self) -> int:
        return 1 if self.kind == "serverless" else self.vcpus


@cache
def catalogue() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "targets.yaml").read_text(encoding="utf-8"))
    return loaded


@cache
def instance_types() -> Mapping[str, Target]:
    """The whole catalogue by name, the sizes of a family from small to large."""
    return {target.name: target for family, row in catalogue()["families"].items() for target in _sizes(family, row)}


def _sizes(family: str, row: Mapping[str, Any]) -> list[Target]:
    isa = Isa(row["architecture"], tuple(row["isa"]))
    found = []
    for size in row["sizes"]:
        vcpus = row.get("vcpus", {}).get(size, catalogue()["sizes"][size])
        gib = row.get("gib", {}).get(size, row["gib_per_vcpu"] * vcpus)
        threads = max(1, vcpus // row["threads_per_core"])
        found.append(Target(f"ml.{family}.{size}", family, vcpus, threads, int(gib * 2**30), isa))
    return found


def find_target(name: str) -> Target:
    """By name. Raises UserError with the nearest names."""
    if name in ("local", "auto"):
        return local(name)
    if name.startswith("serverless"):
        return serverless(name)
    known = instance_types()
    if name in known:
        return known[name]
    family = name.removeprefix("ml.")
    if family in catalogue()["families"]:
        smallest = _sizes(family, catalogue()["families"][family])[0]
        return Target(name, family, smallest.vcpus, smallest.threads, smallest.memory_bytes, smallest.isa, "family")
    raise UserError(_unknown(name), "target")


def _unknown(name: str) -> str:
    elsewhere = catalogue()["elsewhere"].get(name.removeprefix("ml.").partition(".")[0])
    if elsewhere:
        return f"{name} serves on {elsewhere}, and what is made here serves on processors; write such as ml.c7i.large"
    known = [*instance_types(), *(f"ml.{family}" for family in catalogue()["families"])]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    others = "or local, auto, serverless:2048, or a profile {name: mine, vcpus: 4, memory_gb: 8}"
    hint = f"did you mean {', '.join(near)}?" if near else f"write such as {', '.join(known[:3])}, {others}"
    return f"{name!r} is not an instance type this tool knows; {hint}"


def serverless(name: str) -> Target:
    """`serverless:MEMORY_MB`, of a serverless endpoint."""
    row = catalogue()["serverless"]
    sizes = range(row["least_mb"], row["most_mb"] + 1, row["step_mb"])
    text = name.partition(":")[2]
    if not text.isdigit() or int(text) not in sizes:
        written = ", ".join(f"serverless:{size}" for size in sizes)
        raise UserError(f"{name!r} is no size of a serverless endpoint; write one of {written}", "target")
    isa = Isa(row["architecture"], tuple(row["isa"]))
    return Target(name, "serverless", 1, 1, int(text) * 2**20, isa, "serverless")


def local(kind: str = "local") -> Target:
    """This machine; as `auto`, with the one core that the smallest types have."""
    threads = physical_cores() if kind == "local" else 1
    vcpus = os.cpu_count() or 1
    return Target(kind, kind, vcpus, threads, psutil.virtual_memory().total, local_isa(), kind)


def local_isa() -> Isa:
    return Isa(machine_architecture(), tuple(instruction_sets()))


def machine_architecture() -> str:
    """In the catalogue's words."""
    return {"arm64": "aarch64", "AMD64": X86}.get(platform.machine(), platform.machine())


def physical_cores() -> int:
    """Cores this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or 1, available))
