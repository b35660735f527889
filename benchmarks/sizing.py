"""Which types of the catalogue hold a model, and what a million inferences cost on each. Pure arithmetic on figures.

Nothing here is measured on those types: rates are those of this machine's cores, taken for each core of the type, and
`fidelity` says how far that can be trusted.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked

from optimize.benchmarks.fidelity import fidelity
from optimize.benchmarks.targets import Isa, Target, instance_types, local_isa
from optimize.errors import UserError

SERVER_BYTES = 512 * 2**20
"""Beside the workers: 243 MiB of launcher and 176 MiB of Java were seen for TorchServe; the rest is the system's."""


@dataclass(frozen=True)
class Need:
    """What a candidate was seen to take. `shared_bytes` of each worker's peak are pages of files, held once for all.

    `needs_vnni` is for int8 that was not seen to be right without it. `per_core_per_s` is None where throughput was not
    measured.
    """

    peak_bytes: int
    shared_bytes: int
    needs_vnni: bool
    per_core_per_s: float | None
    architecture: str
    portable: bool = True
    """Whether it computes the same on another architecture: int8 does not."""


@checked(frozen=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Fit:
    """A type that holds it, as it stands in `report.json` too."""

    name: str
    vcpus: int
    workers: int
    memory_bytes: int
    """Of its workers and the server."""
    per_s: float | None
    usd_per_hour: float | None
    usd_per_million: float | None
    fidelity: str


def workers_bytes(need: Need, workers: int) -> int:
    """Of that many workers, as containers start them: one for every vCPU."""
    return workers * (need.peak_bytes - need.shared_bytes) + need.shared_bytes


def fit(need: Need, target: Target, prices: Mapping[str, float]) -> Fit | None:
    """None where the type is too small, or lacks what the candidate was found right with."""
    memory = workers_bytes(need, target.workers) + SERVER_BYTES
    if memory > target.memory_bytes or (need.needs_vnni and target.isa.saturates):
        return None
    if target.architecture != need.architecture and not need.portable:
        return None
    rate = None if need.per_core_per_s is None else need.per_core_per_s * target.threads
    price = prices.get(target.name)
    cost = None if price is None or not rate else per_million(price, rate)
    return Fit(target.name, target.vcpus, target.workers, memory, rate, price, cost, fidelity(target))


def per_million(usd_per_hour: float, per_s: float) -> float:
    """US dollars for a million inferences at that rate."""
    return usd_per_hour / 3600 / per_s * 1e6


def fitting_types(need: Need, prices: Mapping[str, float], here: Isa | None = None) -> list[Fit]:
    """The cheapest first; where there is no price, the smallest, and among equals the one most like this machine."""
    here = here or local_isa()
    found = []
    for target in instance_types().values():
        one = fit(need, target, prices)
        if one is not None:
            apart = len(target.isa.lacks(here)) + len(here.lacks(target.isa))
            other = target.architecture != need.architecture
            cost = float("inf") if one.usd_per_million is None else one.usd_per_million
            found.append(((cost, other, one.vcpus, apart, target.memory_bytes), one))
    # Of two families that are as near, the later one: its name comes last.
    found.sort(key=lambda pair: pair[1].name, reverse=True)
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def check_prices(prices: Mapping[str, float], own: str = "") -> None:
    """Raises UserError for a type that the catalogue does not have, and that is not the user's `own` either."""
    for name, price in prices.items():
        if name not in instance_types() and name != own:
            near = difflib.get_close_matches(name, list(instance_types()), n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else "give such as ml.c7i.large=0.2"
            raise UserError(f"there is a price for {name!r}, which the catalogue does not have; {hint}", "prices")
        if price <= 0:
            raise UserError(f"the price of {name} is {price:g}; give US dollars an hour, over 0", "prices")


def parse_prices(given: Sequence[str]) -> dict[str, float]:
    """From `--price TYPE=DOLLARS`, of an hour; `check_prices` looks at the types. Raises UserError."""
    found: dict[str, float] = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise UserError(f"--price {text}: expected TYPE=DOLLARS, such as --price ml.c7i.large=0.2") from None
    return found
