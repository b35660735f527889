"""What is served on: the catalogue of instance types, and how near this machine is to one of them."""

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

FIDELITIES = ("exact", "family", "emulated", "foreign")
"""How far a figure measured here can be taken for one on the target, nearest first.

`exact`: this is that instance type; `family`: another size of its family; `emulated`: the same architecture, with the
target's thread count; `foreign`: another architecture.
"""


@dataclass(frozen=True)
class Target:
    """`isa` lists the instruction sets one can rely on; `threads` is one per physical core."""

    name: str
    family: str
    vcpus: int
    threads: int
    memory_bytes: int
    architecture: str
    isa: tuple[str, ...]


@cache
def catalogue() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "targets.yaml").read_text(encoding="utf-8"))
    return loaded


@cache
def instance_types() -> Mapping[str, Target]:
    found = {}
    for family, row in catalogue()["families"].items():
        for size in row["sizes"]:
            vcpus = catalogue()["sizes"][size]
            name = f"ml.{family}.{size}"
            memory = int(row["gib_per_vcpu"] * vcpus * 2**30)
            threads = max(1, vcpus // row["threads_per_core"])
            found[name] = Target(name, family, vcpus, threads, memory, row["architecture"], tuple(row["isa"]))
    return found


def find_target(name: str) -> Target:
    """Raises UserError with the nearest names."""
    if name == "local":
        return local()
    known = instance_types()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"; did you mean {', '.join(near)}?" if near else f"; one of local, {', '.join(sorted(known)[:3])}, ..."
        raise UserError(f"{name!r} is not an instance type this tool knows{hint}", "target")
    return known[name]


def local() -> Target:
    cores = physical_cores()
    vcpus = os.cpu_count() or 1
    return Target("local", "local", vcpus, cores, psutil.virtual_memory().total, machine(), tuple(instruction_sets()))


def machine() -> str:
    """The architecture by the catalogue's name."""
    return {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())


def physical_cores() -> int:
    """Cores this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or 1, available))


def fidelity(target: Target, here: str | None = None) -> str:
    """`here` is the instance type of this machine, where it is known to be one."""
    here = here if here is not None else this_instance_type()
    if target.name == "local" or f"ml.{here}" == target.name:
        return "exact"
    if here.partition(".")[0] == target.family:
        return "family"
    return "emulated" if machine() == target.architecture else "foreign"


def this_instance_type() -> str:
    """EC2 writes the instance type into the machine's DMI table; elsewhere there is none."""
    vendor, product = Path("/sys/class/dmi/id/sys_vendor"), Path("/sys/class/dmi/id/product_name")
    try:
        return product.read_text().strip() if "Amazon EC2" in vendor.read_text() else ""
    except OSError:
        return ""
