"""What a search may try, and what is known of what it has tried. No input or output happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimize.store import State

Settings = Mapping[str, Any]
NONE = "none"
"""The method of a trial in fp32."""


@dataclass(frozen=True)
class Way:
    """A method of quantization as it can be had for this source in one format."""

    format: str
    method: str
    calibrated: bool
    remedies: tuple[Mapping[str, Any], ...] = ()
    """Options to try in turn where the defaults drift too far."""
    whole: str = ""
    """Why no layers of it can be left in float; nothing where the most sensitive can."""


@dataclass(frozen=True)
class Proposal:
    """A trial to make. `method` is `none` where only the runtime's settings are tried."""

    format: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)


def in_words(proposal: Proposal) -> str:
    """`static, calibration percentile, in float: conv1 conv2`."""
    method = "fp32" if proposal.method == NONE else proposal.method
    return ", ".join([method, *options_in_words({**proposal.options, **proposal.settings})])


def options_in_words(told: Mapping[str, Any]) -> list[str]:
    given = {key: value for key, value in told.items() if value not in ([], ())}
    return [f"{'in float:' if key == 'exclude' else key} {_value(value)}" for key, value in given.items()]


def _value(value: Any) -> str:
    if not isinstance(value, list | tuple):
        return str(value)
    more = f" and {len(value) - 3} more" if len(value) > 3 else ""
    return f"{' '.join(map(str, value[:3]))}{more}"


@dataclass(frozen=True)
class Ranking:
    """A question besides the trials: which layers that a method quantizes are the most sensitive, first to last.

    `proposal` is a trial that has been made, and whose artifact is looked at.
    """

    proposal: Proposal


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Trial:
    """A proposal that was carried out.

    `distance` is how far its outputs are from the golden: 1 - cosine of the worst output. `ratio` is of its latency to
    that of fp32 in the same format, and there only for a trial that clears the bar. `figure` is what the objective
    makes small, in one unit for all trials of a format.
    """

    proposal: Proposal
    state: State
    reason: str = ""
    distance: float | None = None
    ratio: Interval | None = None
    figure: float | None = None

    @property
    def cleared(self) -> bool:
        return self.state is State.OK and self.ratio is not None

    @property
    def wrong(self) -> bool:
        """It ran and does not clear the bar, which other options may mend."""
        return self.state in (State.OK, State.DRIFTED) and self.distance is not None and not self.cleared


@dataclass(frozen=True)
class Space:
    """`ways` in the order of the tables; `tuning` by format, settings that may help, in order; `notes` say what cannot
    be tried."""

    ways: tuple[Way, ...]
    tuning: Mapping[str, tuple[Settings, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def left_out(self, trials: Sequence[Trial]) -> list[str]:
        """Ways that stayed wrong and could not be mended layer by layer."""
        return [f"{w.format}-{w.method}: {w.whole}" for w in self.ways if w.whole and mendable(w, trials)]


def mendable(way: Way, trials: Sequence[Trial]) -> bool:
    """It ran, and nothing of it clears the bar."""
    own = [t for t in trials if (t.proposal.format, t.proposal.method) == (way.format, way.method)]
    return any(trial.wrong for trial in own) and not any(trial.cleared for trial in own)
