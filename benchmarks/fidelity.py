"""How far a figure that is measured here can be taken for one on the target."""

from __future__ import annotations

from pathlib import Path

from optimize.benchmarks.targets import Target, machine_architecture

FIDELITIES = ("exact", "family", "emulated", "foreign")
"""Nearest first. `exact`: this is that instance type; `family`: another size of its family; `emulated`: the same
architecture, with the target's thread count, memory and instruction sets as far as they can be had here; `foreign`:
another architecture."""


def fidelity(target: Target, here: str | None = None) -> str:
    """`here` is the instance type of this machine, where it is known to be one."""
    here = here if here is not None else this_instance_type()
    if target.kind == "local" or f"ml.{here}" == target.name:
        return "exact"
    if here.partition(".")[0] == target.family:
        return "family"
    return "emulated" if machine_architecture() == target.architecture else "foreign"


def this_instance_type() -> str:
    """EC2 writes the instance type into the machine's DMI table; elsewhere there is none."""
    vendor, product = Path("/sys/class/dmi/id/sys_vendor"), Path("/sys/class/dmi/id/product_name")
    try:
        return product.read_text().strip() if "Amazon EC2" in vendor.read_text() else ""
    except OSError:
        return ""
