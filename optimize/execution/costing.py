"""What a candidate costs on its target, from what was measured and the user's prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimize.benchmarks.sizing import Fit, Need, fit, fitting_types
from optimize.benchmarks.targets import Isa, Target, local_isa
from optimize.pipeline.schema import Pipeline
from optimize.selection import Judged


@dataclass(frozen=True)
class Costing:
    """`right_without_vnni` are the int8 candidates that were seen to be right under such instruction sets."""

    target: Target
    pipeline: Pipeline
    right_without_vnni: frozenset[str]

    def need(self, judged: Judged) -> Need | None:
        return need_of(
            judged.precision, judged.memory, judged.throughput, judged.name in self.right_without_vnni, local_isa()
        )

    def types(self, need: Need) -> list[Fit]:
        """The types that hold it; of the target's family, where that is one."""
        found = fitting_types(need, self.pipeline.prices)
        if self.target.kind != "family":
            return found
        return [one for one in found if one.name.split(".")[1] == self.target.family]

    def cost(self, judged: Judged) -> dict[str, Any] | None:
        """On the target, or the cheapest type of a family or of all for `auto`. None without a price or a rate."""
        need = self.need(judged)
        if need is None or not self.pipeline.prices:
            return None
        if self.target.kind in ("auto", "family"):
            found = next((one for one in self.types(need) if one.usd_per_million), None)
        else:
            found = fit(need, self.target, self.pipeline.prices)
        return _cost(found) if found and found.usd_per_million is not None else None


def _cost(found: Fit) -> dict[str, Any]:
    return {
        "type": found.name, "usd_per_hour": found.usd_per_hour, "per_s": float(f"{found.per_s:.6g}"),
        "usd_per_million": float(f"{found.usd_per_million:.6g}"), "fidelity": found.fidelity,
    }  # fmt: skip


def need_of(
    precision: str,
    memory: Mapping[str, Any] | None,
    throughput: Mapping[str, Any] | None,
    right_without_vnni: bool,
    here: Isa,
) -> Need | None:
    """None where memory was not measured. `here` is what it was measured on: without VNNI, it has seen int8 so."""
    if not memory:
        return None
    int8 = precision == "int8"
    needs_vnni = int8 and not (right_without_vnni or here.saturates)
    return Need(
        memory["peak_bytes"], memory.get("shared_bytes") or 0, needs_vnni,
        (throughput or {}).get("per_core_per_s"), here.architecture, portable=not int8,
    )  # fmt: skip
