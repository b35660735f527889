"""How quiet the machine was while it was measured on: the evidence, and a verdict in one word.

The control is one candidate against itself, in rounds next to each other, which is 1 but for noise. Beside it stands
what the kernel counted: time that other processes took, time that a hypervisor kept (steal), and time in which
something else had to wait for a core (pressure stall information, Linux 4.20 and later). The waits of the measurement's
own processes are taken off: they share cores and take turns, so that one of them is counted as waiting for 75 % of the
time where nothing else runs (Linux 6.18, on which even a process that sleeps keeps its place for a while).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimize.benchmarks.statistics import Ratio

OTHER_CORES = 0.25
STEAL_SHARE = 0.02
PRESSURE_SHARE = 0.1
ON_CORE = 0.9
"""Quiet is less of the first three, and at least this much of the time that a single thread ran on its core."""
UNUSABLE = 5
"""Times what a quiet machine allows: from there on no figure is worth keeping apart from another."""


@dataclass(frozen=True)
class Counters:
    """Of the whole machine since it was started, in seconds. `stalled_s` leaves out the waits of this process and the
    workers it has started; it is None where the kernel does not count."""

    at_s: float
    busy_s: float
    steal_s: float
    stalled_s: float | None


Read = Callable[[], Counters | None]


def read_counters(root: Path = Path("/proc")) -> Counters | None:
    """None where there is no /proc/stat: not Linux."""
    try:
        user, nice, system, _, _, irq, softirq, steal = map(int, (root / "stat").read_text().split()[1:9])
    except (OSError, ValueError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    busy = user + nice + system + irq + softirq
    return Counters(time.monotonic(), busy / tick, steal / tick, _stalled(root))


def _stalled(root: Path) -> float | None:
    try:
        total = int((root / "pressure" / "cpu").read_text().splitlines()[0].rpartition("total=")[2])
    except (OSError, ValueError):
        return None
    return total / 1e6 - sum(_waited(root / process) for process in ("self", *_children(root)))


def _children(root: Path) -> list[str]:
    return [pid for file in root.glob("self/task/*/children") for pid in file.read_text().split()]


def _waited(process: Path) -> float:
    """Seconds that its threads could have run and had no core."""
    try:
        return sum(int(file.read_text().split()[1]) for file in process.glob("task/*/schedstat")) / 1e9
    except OSError:  # It has ended meanwhile.
        return 0.0


@dataclass
class Evidence:
    """Summed over the rounds of all generations."""

    wall_s: float = 0.0
    other_s: float = 0.0
    steal_s: float = 0.0
    stalled_s: float | None = None
    counted: bool = False

    def add(self, before: Counters | None, after: Counters | None, own_s: float) -> None:
        """`own_s` is the processor time that the measured processes themselves took in between."""
        if before is None or after is None:
            return
        self.counted = True
        self.wall_s += after.at_s - before.at_s
        self.other_s += max(0.0, after.busy_s - before.busy_s - own_s)
        self.steal_s += after.steal_s - before.steal_s
        if before.stalled_s is not None and after.stalled_s is not None:
            self.stalled_s = (self.stalled_s or 0.0) + max(0.0, after.stalled_s - before.stalled_s)

    def shares(self) -> dict[str, float | None]:
        """`other_cores`: cores' worth of work that was not the measurement's; the others are shares of the time."""
        if not self.counted or self.wall_s <= 0:
            return {"other_cores": None, "steal_share": None, "pressure_share": None}
        stalled = None if self.stalled_s is None else self.stalled_s / self.wall_s
        return {
            "other_cores": self.other_s / self.wall_s,
            "steal_share": self.steal_s / self.wall_s,
            "pressure_share": stalled,
        }


def judge_noise(
    control: Ratio | None, shares: Mapping[str, float | None], on_core: float, margin: float
) -> dict[str, Any]:
    """`verdict` (`quiet`, `noisy` or `unusable`) with its evidence, and `because` in words.

    `on_core` is the least share of its wall time that a candidate had a core for each of its threads; `margin` is the
    half width of the interval that is aimed at, half of which the control may be off.
    """
    off = abs(math.log(control.value)) if control else 0.0
    evidence = [
        ("a candidate differs from itself by {:.1%}", off, off / (margin / 2)),
        ("other processes took {:.2f} cores", *_excess(shares["other_cores"], OTHER_CORES)),
        ("the hypervisor kept {:.1%} of the time", *_excess(shares["steal_share"], STEAL_SHARE)),
        ("something else waited for a core {:.1%} of the time", *_excess(shares["pressure_share"], PRESSURE_SHARE)),
        ("a candidate had its core for only {:.0%} of the time", on_core, (1 - on_core) / (1 - ON_CORE)),
    ]
    because = [words.format(value) for words, value, excess in evidence if excess > 1]
    worst = max(excess for _, _, excess in evidence)
    verdict = "unusable" if worst > UNUSABLE else "noisy" if worst > 1 else "quiet"
    return {
        "verdict": verdict,
        "because": because,
        "control": control.value if control else None,
        "control_ci": [control.low, control.high] if control else None,
        "on_core_share": on_core,
        **shares,
    }


def _excess(value: float | None, allowed: float) -> tuple[float, float]:
    """The value, and how many times what is allowed it is; nothing where it was not counted."""
    return (0.0, 0.0) if value is None else (value, value / allowed)
